// SPDX-License-Identifier: Apache-2.0
/**
 * Mistakes in a configuration are collected, never first-fail: one run of `vsnat check` shows them all, each as
 * `file:line:column: path: must …, got …; what to do`.
 */
import { VsnatError } from '../errors.js';
import type { Origin, Path, Positions } from './positions.js';

/** A mistake in a configuration, and its place. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** "services[0].servers[2].weight"; empty for the document as a whole. */
  readonly path: string;
  /** "must be 0..65535, got 70000". */
  readonly message: string;
}

export const formatProblem = ({ file, line, column, path, message }: Problem): string =>
  `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;

/** Mistakes in a configuration, all of them; `message` has a line for each. Its code is VSNAT_CONFIG_INVALID. */
export class ConfigError extends VsnatError {
  /** ConfigError */
  override readonly name = 'ConfigError';
  constructor(
    /** In the order of the text. */
    readonly problems: readonly Problem[],
  ) {
    super('VSNAT_CONFIG_INVALID', problems.map(formatProblem).join('\n'));
  }
}

export interface Complaint {
  /** Continues "must". */
  readonly must: string;
  /** As `show` writes it. Left out when there is nothing to quote. */
  readonly got?: string;
  readonly hint?: string | undefined;
}

/** The problems of one document, in the order of its text. */
export class Problems {
  readonly #found: Problem[] = [];
  constructor(readonly positions: Positions) {}

  /** At the value of `path`, or at its key. */
  add(path: Path, complaint: Complaint, at: 'value' | 'key' = 'value'): void {
    const origin = at === 'value' ? this.positions.originOf(path) : undefined;
    if (origin?.isBad === true) return;
    const { line, column } = this.positions.place(path, at);
    this.#push(line, column, formatPath(path), origin === undefined ? complaint : hidden(complaint, origin));
  }

  addAtOffset(offset: number, complaint: Complaint, path: Path = []): void {
    const { line, column } = this.positions.placeOfOffset(offset);
    this.#push(line, column, formatPath(path), complaint);
  }

  /** A complaint that is not to count. */
  describe(path: Path, complaint: Complaint): Problem {
    const { line, column } = this.positions.place(path);
    return this.#problem(line, column, formatPath(path), complaint);
  }

  get list(): readonly Problem[] {
    return this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column);
  }

  #push(line: number, column: number, path: string, complaint: Complaint): void {
    this.#found.push(this.#problem(line, column, path, complaint));
  }

  #problem(line: number, column: number, path: string, { must, got, hint }: Complaint): Problem {
    const message = `must ${must}${got === undefined ? '' : `, got ${got}`}${hint === undefined ? '' : `; ${hint}`}`;
    const { file } = this.positions;
    return { file: printable(file), line, column, path: printable(path), message: printable(message) };
  }
}

/** Of a value that the environment gave, what the file says: the value itself may be a secret, and so may a hint be. */
const hidden = ({ must }: Complaint, { text }: Origin): Complaint => ({
  must,
  got: show(text),
  hint: 'its value comes from the environment',
});

/** services[0].servers[2].weight; a key that is no plain word goes in brackets and quotes. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    if (!/^[A-Za-z_][\w-]*$/.test(step)) return `${text}[${quote(step)}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

/** A value in a message: short, and on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a map';
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}

const longestQuote = 60;

function quote(text: string): string {
  return JSON.stringify(text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text);
}

/** Control characters and those that turn the direction of text, written as escapes. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
