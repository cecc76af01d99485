// SPDX-License-Identifier: Apache-2.0
/** Definitions whose series are the sums of the view's rows, in few words. */
import type { MetricDefinition, Series, Told } from './definition.js';
import type { View } from './detail.js';
import type { Row } from './rows-by.js';
import { labelText } from './text.js';

type SumsOf = { [Key in keyof View]: View[Key] extends readonly Row<infer Sum>[] ? Sum : never };
/** Parts of the view that are rows. */
export type Rows = { [Key in keyof SumsOf]: SumsOf[Key] extends never ? never : Key }[keyof SumsOf];
export type SumOf<Key extends Rows> = SumsOf[Key];

export const ofService = ['service'] as const;
export const ofServer = ['service', 'server'] as const;

/** A number of each row's sum. */
export function numberOf<Key extends Rows>(
  rows: Key,
  name: string,
  help: string,
  type: 'counter' | 'gauge',
  labels: readonly string[],
  value: (sum: SumOf<Key>) => number,
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
  values: Readonly<Record<string, (sum: SumOf<Key>) => number>>,
): MetricDefinition {
  const parts = Object.entries(values);
  const series = function* ({ view }: Told): Generator<Series> {
    for (const row of view[rows] as unknown as readonly Row<SumOf<Key>>[]) {
      for (const [word, value] of parts) yield new RowSeries(row, labels, word, value(row.sum));
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
