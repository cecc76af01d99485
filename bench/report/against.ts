// SPDX-License-Identifier: Apache-2.0
/** Two versions side by side: medians of both, and the quotient within rounds. */
import { ratio, ratioText } from './pairs.js';
import { valuesOf, type FigureOfLoad, type Sample } from './results.js';
import { median, short } from './statistics.js';
import { titleOf } from './groups.js';

export interface Pair {
  readonly base: string;
  readonly head: string;
}

/** A figure without a sample on either side is left out. */
export function againstTable(
  samples: readonly Sample[],
  figures: readonly FigureOfLoad[],
  { base, head }: Pair,
): string {
  const rows = figures.flatMap((what) => {
    const found = ratio(samples, what, head, base);
    if (found === null) return [];
    const of = (who: string): string => short(median(valuesOf(samples, who, what.load, what.figure)));
    const title = what.figure === 'rate' ? what.load : `${titleOf(what)}, ${what.figure}`;
    return [`| ${title}, ${what.unit} | ${of(base)} | ${of(head)} | ${ratioText(found)} | ${what.better} |`];
  });
  return [
    `| | ${base} | ${head} | ${head} / base, within ${new Set(samples.map(({ round }) => round)).size} rounds (95 %) | better |`,
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
