// SPDX-License-Identifier: Apache-2.0
/** Quotients of contenders within rounds, of every load: what vsnat costs beside the bare loop, and what its ways are worth. */
import { directorCpu, titleOf } from './groups.js';
import { verdict } from './goals.js';
import { ratio, ratioText, type Ratio } from './pairs.js';
import type { FigureOfLoad, Results } from './results.js';
import { markdownTable } from './table.js';

/** The first in units of the second. */
type Pair = readonly [string, string];

/** What vsnat adds to a loop that does nothing else. */
const ownCost: readonly Pair[] = [
  ['vsnat, 1 queue, route, poll', 'floor, 1 queue'],
  ['vsnat, 1 queue, route', 'floor, 1 queue'],
  ['vsnat, 1 queue, direct', 'floor, 1 queue'],
  ['vsnat, 1 queue, shortcut', 'floor, 1 queue'],
  ['vsnat, 2 queues, route', 'floor, 2 queues'],
  ['vsnat, 2 queues, direct', 'floor, 2 queues'],
  ['vsnat, 2 queues, shortcut', 'floor, 2 queues'],
];

/** What lifts the loop itself. */
const worth: readonly Pair[] = [
  ['floor, 1 queue', 'floor, 1 queue, no offload'],
  ['vsnat, 1 queue, route', 'vsnat, 1 queue, route, poll'],
  ['vsnat, 1 queue, direct', 'vsnat, 1 queue, route'],
  ['vsnat, 1 queue, shortcut', 'vsnat, 1 queue, direct'],
  ['floor, 2 queues', 'floor, 1 queue'],
  ['vsnat, 2 queues, direct', 'vsnat, 1 queue, direct'],
];

type Cell = (found: Ratio, what: FigureOfLoad) => string;

interface Compared {
  readonly pairs: readonly Pair[];
  readonly figures?: readonly string[];
  readonly cell?: Cell;
}

const speed = ['rate', 'p50', 'p99'];

/** Of a rate more is better, of a latency less. '' when nobody of the pairs was measured. */
function ratioTable(results: Results, compared: Compared): string {
  const { figures = speed, cell = ratioText } = compared;
  const names = new Set(results.contenders.map(({ name }) => name));
  const pairs = compared.pairs.filter((pair) => pair.every((name) => names.has(name)));
  const rows = results.figures
    .filter(({ load, figure }) => !load.startsWith('IPv6') && figures.includes(figure))
    .map((what) => {
      const found = pairs.map(([of, to]) => ratio(results.samples, what, of, to));
      const isLess = what.better === 'less' && figures === speed ? ' (less is better)' : '';
      return [titleOf(what) + isLess, ...found.map((one) => (one === null ? '–' : cell(one, what)))];
    });
  if (pairs.length === 0 || rows.length === 0) return '';
  return markdownTable(['', ...pairs.map(([of, to]) => `${of} / ${to}`)], rows);
}

/** What vsnat may cost beside the loop: 3 %. */
const allowance = 0.03;

const markMissed: Cell = (found, { better }) => {
  const bound = better === 'more' ? 1 - allowance : 1 + allowance;
  switch (verdict(found, { bound, better })) {
    case 'surely missed':
      return `${ratioText(found)}, **more than 3 %**`;
    case 'missed':
      return `${ratioText(found)}, unsure`;
    default:
      return ratioText(found);
  }
};

export const ownCostTable = (results: Results): string =>
  ratioTable(results, { pairs: ownCost, cell: markMissed });

/** The same of CPU time per unit of work, which says more where others have the CPUs as well. */
export const ownCostCpuTable = (results: Results): string =>
  ratioTable(results, { pairs: ownCost, figures: [directorCpu] });

export const worthTable = (results: Results): string => ratioTable(results, { pairs: worth });
