// SPDX-License-Identifier: Apache-2.0
/**
 * A value of the document together with its path and the place to complain. Reading a field of the wrong type gives
 * undefined in silence: the shape check has told the user already, and the rest of the document still gets its own
 * checks, so that one run finds every mistake.
 */
import { dirname, resolve } from 'node:path';
import type { Mistake, Parsed } from '../model/parsed.js';
import { insideOf, isMap } from './defaults.js';
import type { Path } from './positions.js';
import { formatPath, show, type Problems } from './problem.js';
import type { SchemaNode } from './schema.js';

export class Field {
  readonly #schema: SchemaNode | undefined;
  readonly #parent: Field | undefined;
  readonly #step: string | number;

  private constructor(
    readonly value: unknown,
    readonly problems: Problems,
    schema: SchemaNode | undefined,
    parent: Field | undefined,
    step: string | number,
  ) {
    this.#schema = schema;
    this.#parent = parent;
    this.#step = step;
  }

  /** A whole document. */
  static root(value: unknown, problems: Problems, schema: SchemaNode): Field {
    return new Field(value, problems, schema, undefined, '');
  }

  /** The value of a key, or its default. */
  get(key: string): Field {
    return new Field(this.at(key), this.problems, insideOf(this.#schema).properties[key], this, key);
  }

  /** The same without the means to complain, where there are many. */
  at(key: string): unknown {
    if (!isMap(this.value)) return undefined;
    const given = this.value[key];
    return given === undefined ? insideOf(this.#schema).properties[key]?.default : given;
  }

  items(): readonly Field[] {
    if (!Array.isArray(this.value)) return [];
    const { items } = insideOf(this.#schema);
    return this.value.map((item: unknown, index) => new Field(item, this.problems, items, this, index));
  }

  /** Made when asked for: most fields never are. */
  get path(): Path {
    return this.#parent === undefined ? [] : [...this.#parent.path, this.#step];
  }

  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : undefined;
  }

  textOrNumber(): string | number | undefined {
    return typeof this.value === 'number' ? this.value : this.text();
  }

  /** A whole number within the limits that the schema sets as well. */
  integer(low: number, high: number): number | undefined {
    return integerOf(this.value, low, high);
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
    this.problems.add(this.path, { must, got: show(this.#step), hint }, 'key');
  }

  /** In the file, not a default. */
  get isWritten(): boolean {
    const map = this.#parent?.value;
    return isMap(map) && Object.hasOwn(map, this.#step);
  }

  /** The path as users read it. */
  get label(): string {
    return formatPath(this.path);
  }

  /** "vsnat.yaml:3:12" */
  get place(): string {
    const { positions } = this.problems;
    const { line, column } = positions.place(this.path);
    return `${positions.file}:${line}:${column}`;
  }

  /** The label for a sentence about `other`, which may stand in another file. */
  labelFrom(other: Field): string {
    const { file } = this.problems.positions;
    return file === other.problems.positions.file ? this.label : `${this.label} of ${file}`;
  }
}

export const integerOf = (value: unknown, low: number, high: number): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high ? value : undefined;
