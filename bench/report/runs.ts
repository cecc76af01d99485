// SPDX-License-Identifier: Apache-2.0
/** Several full runs: all of their rounds as those of one, and how far their medians are apart. */
import { titleOf } from './groups.js';
import { valuesOf, type Results } from './results.js';
import { median, short } from './statistics.js';
import { markdownTable } from './table.js';

/** The last run, with everybody's samples; rounds are numbered on, since quotients are taken within them. */
export function pooled(runs: readonly [Results, ...Results[]]): Results {
  let before = 0;
  const samples = runs.flatMap((run) => {
    const first = before;
    before += run.rounds;
    return run.samples.map((sample) => ({ ...sample, round: sample.round + first }));
  });
  return { ...(runs.at(-1) ?? runs[0]), rounds: before, samples };
}

/** Whose medians are shown run by run: everybody's would fit no page. */
const shown = [
  /^nftables/,
  /^floor, 1 queue$/,
  /^vsnat, 1 queue, route$/,
  /^vsnat, 1 queue, direct$/,
  /^vsnat, [12] queues?, shortcut$/,
  /^HAProxy/,
  /^nginx/,
];

/** What lies between the least and the most of the medians, in percent of the one in the middle. */
export const apart = (medians: readonly number[]): number =>
  (100 * (Math.max(...medians) - Math.min(...medians))) / median(medians);

/** '' for a single run. */
export function runsTable(runs: readonly [Results, ...Results[]]): string {
  if (runs.length === 1) return '';
  const [first] = runs;
  const names = first.contenders
    .map(({ name }) => name)
    .filter((name) => shown.some((pattern) => pattern.test(name)));
  const rows = first.figures
    .filter(({ figure }) => ['rate', 'p50', 'p99'].includes(figure))
    .map((what) => [
      `${titleOf(what)}, ${what.unit}`,
      ...names.map((name) => {
        const medians = runs
          .map((run) => median(valuesOf(run.samples, name, what.load, what.figure)))
          .filter((value) => !Number.isNaN(value));
        if (medians.length < 2) return '–';
        return `${medians.map(short).join(', ')} (${apart(medians).toFixed(0)} %)`;
      }),
    ]);
  return markdownTable(['', ...names], rows);
}
