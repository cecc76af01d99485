// SPDX-License-Identifier: Apache-2.0
/** A median is never shown without its spread. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? NaN, sorted[Math.floor(middle)] ?? NaN];
  return (low + high) / 2;
}

/** null when there are no values. */
export const spread = (values: readonly number[]): Spread | null =>
  values.length === 0
    ? null
    : {
        median: median(values),
        least: Math.min(...values),
        most: Math.max(...values),
        count: values.length,
      };

/** Three digits, with k from ten thousand on. */
export function short(value: number): string {
  if (value >= 999_500) return `${(value / 1e6).toPrecision(3)}M`;
  if (value >= 10_000) return `${(value / 1000).toFixed(value >= 99_950 ? 0 : 1)}k`;
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}
