// SPDX-License-Identifier: Apache-2.0
/** Text tables and numbers for people. */
import { oneLine } from './io.js';
import { padded, shortened, widthOf } from './text-width.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/**
 * Lines of a table as wide as its cells, two spaces between columns, nothing at the ends of lines. Where `width` is too
 * small, columns on the left that are aligned to the left give way, with an ellipsis: numbers are worth more than names.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  const cellsOf = rows.map((row) => row.map(oneLine));
  const widths = fitted(
    columns.map(({ title }, index) =>
      // One by one: a hundred thousand rows are more arguments than a call may have.
      cellsOf.reduce((most, row) => Math.max(most, widthOf(row[index] ?? '')), title.length),
    ),
    columns,
    width,
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align = 'left' }, index) => {
        const room = widths[index] ?? 0;
        return padded(shortened(cells[index] ?? '', room), room, align);
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...cellsOf.map(line)];
}

const leastWidth = 8;

function fitted(widths: readonly number[], columns: readonly Column[], width: number): readonly number[] {
  const fit = [...widths];
  let over = fit.reduce((sum, one) => sum + one + 2, -2) - width;
  while (over > 0) {
    const widest = fit.reduce(
      (best, one, index) =>
        columns[index]?.align !== 'right' && one > leastWidth && one > (fit[best] ?? 0) ? index : best,
      -1,
    );
    if (widest === -1) break; // it cannot be helped: the line wraps
    fit[widest] = (fit[widest] ?? 0) - 1;
    over -= 1;
  }
  return fit;
}

/** 1536 -> "1.5 kB". Powers of ten, as network people count. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** 3723 -> "1h 2m"; the two largest units. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3_600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value}${unit}`)
    .join(' ');
}

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
