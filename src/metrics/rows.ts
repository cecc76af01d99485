// SPDX-License-Identifier: Apache-2.0
/** Definitions whose series are rows of the view, in few words. */
import type { MetricDefinition, Series, Told } from './definition.js';
import type { Row, View } from './detail.js';
import { labelText } from './text.js';

type RowsOf = { [Key in keyof View]: View[Key] extends readonly Row<infer Member>[] ? Member : never };
/** Parts of the view that are rows of members. */
export type Rows = { [Key in keyof RowsOf]: RowsOf[Key] extends never ? never : Key }[keyof RowsOf];
export type Member<Key extends Rows> = RowsOf[Key];

export const ofService = ['service'] as const;
export const ofServer = ['service', 'server'] as const;

/** A number of each row: its members' added up. */
export function numberOf<Key extends Rows>(
  rows: Key,
  name: string,
  help: string,
  type: 'counter' | 'gauge',
  labels: readonly string[],
  value: (member: Member<Key>) => number,
): MetricDefinition {
  return splitOf(rows, name, help, type, labels, { '': value });
}

/** Several numbers of each row, told apart by the label named last. */
export function splitOf<Key extends Rows>(
  rows: Key,
  name: string,
  help: string,
  type: 'counter' | 'gauge',
  labels: readonly string[],
  values: Readonly<Record<string, (member: Member<Key>) => number>>,
): MetricDefinition {
  const parts = Object.entries(values);
  const series = function* ({ view }: Told): Generator<Series> {
    for (const row of view[rows] as unknown as readonly Row<Member<Key>>[]) {
      for (const [word, value] of parts) yield new RowSeries(row, labels, word, sum(row.members, value));
    }
  };
  return { name, help, type, labels, rows, width: parts.length, series };
}

/** One of thousands at every scrape: what is not asked for is not made. */
class RowSeries implements Series {
  readonly #row: Row<unknown>;
  readonly #names: readonly string[];
  readonly #word: string;
  readonly value: number;

  constructor(row: Row<unknown>, names: readonly string[], word: string, value: number) {
    this.#row = row;
    this.#names = names;
    this.#word = word;
    this.value = value;
  }

  get labels(): Record<string, string> {
    return labelsOf(this.#row, this.#names, this.#word);
  }

  get labelText(): string {
    return rowText(this.#row, this.#names, this.#word);
  }
}

const ownTexts = new WeakMap<Row<unknown>, string>();

/** What labelsOf() says, as it is written. All metrics of a row begin with the same labels, escaped once a scrape. */
export function rowText(row: Row<unknown>, names: readonly string[], word = ''): string {
  const last = names.at(-1) ?? '';
  const own = isOwn(last) ? names : names.slice(0, -1);
  let text = ownTexts.get(row);
  if (text === undefined) {
    text = labelText(labelsOf(row, own));
    ownTexts.set(row, text);
  }
  return isOwn(last) ? text : `${text},${last}="${word}"`;
}

const isOwn = (label: string): label is 'service' | 'server' | 'kind' =>
  label === 'service' || label === 'server' || label === 'kind';

export function labelsOf<M>(row: Row<M>, labels: readonly string[], word = ''): Record<string, string> {
  const named: Record<string, string> = {};
  for (const label of labels) {
    named[label] = isOwn(label) ? row[label] : word;
  }
  return named;
}

export function sum<M>(members: readonly M[], value: (member: M) => number): number {
  let total = 0;
  for (const member of members) total += value(member);
  return total;
}
