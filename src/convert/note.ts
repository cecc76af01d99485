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
  /** Further lines of the same file that the sentence is true of. */
  readonly also: readonly number[];
}

/** "keepalived.conf:12: notify_up: runs no scripts; …" */
export const formatNote = ({ file, line, subject, text, also }: Note): string =>
  `${file}:${line}: ${subject}: ${text}${alsoText(also)}`;

/** Long lists help nobody who has an editor. */
const mostLines = 10;

function alsoText(lines: readonly number[]): string {
  if (lines.length === 0) return '';
  const more = lines.length > mostLines ? ` and ${lines.length - mostLines} more` : '';
  return ` (also line${lines.length === 1 ? '' : 's'} ${lines.slice(0, mostLines).join(', ')}${more})`;
}

/** Collects notes; the same sentence about the same subject is said once of a file, with every line it is true of. */
export class Notes {
  readonly #list: (Note & { readonly also: number[] })[] = [];
  readonly #said = new Map<string, Note & { readonly also: number[] }>();

  add({ file, line }: Place, subject: string, text: string): void {
    const key = `${file}\n${subject}\n${text}`;
    const said = this.#said.get(key);
    if (said === undefined) {
      const note = { file, line, subject, text, also: [] };
      this.#said.set(key, note);
      this.#list.push(note);
    } else if (line !== said.line && said.also.at(-1) !== line) said.also.push(line);
  }

  /** By file, in the order they were come upon, and line. */
  get list(): readonly Note[] {
    const files = [...new Set(this.#list.map(({ file }) => file))];
    return this.#list.toSorted((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line);
  }
}
