// SPDX-License-Identifier: Apache-2.0
/** What a conversion could not carry over, or carried over differently: a place, a subject, and what to do about it. */

/** Where something stands in what is converted. Lines count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

export interface Note extends Place {
  /** The word of the original: "notify_up", "lvs_method DR". */
  readonly subject: string;
  readonly text: string;
}

/** "keepalived.conf:12: notify_up: runs no scripts; …" */
export const formatNote = ({ file, line, subject, text }: Note): string =>
  `${file}:${line}: ${subject}: ${text}`;

/** Collects notes; the same sentence about the same subject is kept once, with the first place. */
export class Notes {
  readonly #list: Note[] = [];
  readonly #said = new Set<string>();

  add({ file, line }: Place, subject: string, text: string): void {
    const key = `${subject}\n${text}`;
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#list.push({ file, line, subject, text });
  }

  /** By file, in the order they were come upon, and line. */
  get list(): readonly Note[] {
    const files = [...new Set(this.#list.map(({ file }) => file))];
    return this.#list.toSorted((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line);
  }
}
