// SPDX-License-Identifier: Apache-2.0
/**
 * A value of the document together with its path and the place to complain. Reading a field of the wrong type gives
 * undefined in silence: the shape check has told the user already, and the rest of the document still gets its own
 * checks, so that one run finds every mistake.
 */
import { dirname, resolve } from 'node:path';
import type { Mistake, Parsed } from '../model/parsed.js';
import { isMap } from './defaults.js';
import type { Path } from './positions.js';
import { formatPath, show, type Problems } from './problem.js';

export class Field {
  constructor(
    readonly value: unknown,
    readonly path: Path,
    readonly problems: Problems,
  ) {}

  get(key: string): Field {
    return new Field(isMap(this.value) ? this.value[key] : undefined, [...this.path, key], this.problems);
  }

  items(): readonly Field[] {
    if (!Array.isArray(this.value)) return [];
    return this.value.map((item: unknown, index) => new Field(item, [...this.path, index], this.problems));
  }

  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : undefined;
  }

  textOrNumber(): string | number | undefined {
    return typeof this.value === 'number' ? this.value : this.text();
  }

  /** A whole number within the limits that the schema sets as well. */
  integer(low: number, high: number): number | undefined {
    const { value } = this;
    return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high
      ? value
      : undefined;
  }

  isTrue(): boolean {
    return this.value === true;
  }

  /** The value when it is one of these words. */
  word<T extends string>(...words: readonly T[]): T | undefined {
    return words.find((word) => word === this.value);
  }

  /** What `read` makes of the text; its mistake becomes a problem here. */
  parse<T>(read: (text: string) => Parsed<T>): T | undefined {
    const text = this.text();
    return text === undefined ? undefined : this.#read(text, read);
  }

  /** The same where a number may stand for its digits. */
  parseDigits<T>(read: (text: string) => Parsed<T>): T | undefined {
    const value = this.textOrNumber();
    return value === undefined ? undefined : this.#read(String(value), read);
  }

  #read<T>(text: string, read: (text: string) => Parsed<T>): T | undefined {
    const parsed = read(text);
    if (parsed.ok) return parsed.value;
    this.refuse(parsed);
    return undefined;
  }

  /** A path as this file means it. */
  resolve(path: string): string {
    return resolve(dirname(this.problems.positions.file), path);
  }

  refuse({ must, hint }: Omit<Mistake, 'ok'>): void {
    this.problems.add(this.path, { must, got: show(this.value), hint });
  }

  /** Of a key, not its value. */
  refuseKey({ must, hint }: Omit<Mistake, 'ok'>): void {
    this.problems.add(this.path, { must, got: show(this.path.at(-1)), hint }, 'key');
  }

  /** In the file, not a default. */
  get isWritten(): boolean {
    return this.problems.positions.has(this.path);
  }

  /** The path as users read it. */
  get label(): string {
    return formatPath(this.path);
  }

  /** The same for a sentence about `other`, which may stand in another file. */
  labelFrom(other: Field): string {
    const { file } = this.problems.positions;
    return file === other.problems.positions.file ? this.label : `${this.label} of ${file}`;
  }
}
