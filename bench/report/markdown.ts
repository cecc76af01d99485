// SPDX-License-Identifier: Apache-2.0
/** Tables: one row per contender, `median (least–most)`, and for rates the median as a share of the yardstick's. */
import { columnsOf, groups, titleOf, type Group } from './groups.js';
import { ratio, ratioText } from './pairs.js';
import { valuesOf, type FigureOfLoad, type Results } from './results.js';
import { short, spread } from './statistics.js';

export const yardstick = 'nftables DNAT';

function cell(results: Results, contender: string, { load, figure, better }: FigureOfLoad): string {
  const of = (who: string) => spread(valuesOf(results.samples, who, load, figure));
  const mine = of(contender);
  if (mine === null) {
    const tried = results.samples.some((one) => one.contender === contender && one.load === load);
    return tried && figure === 'rate' ? 'failed' : '–';
  }
  const other = of(yardstick);
  const isShared = better === 'more' && other !== null && contender !== yardstick;
  const share = isShared ? ` ${Math.round((mine.median / other.median) * 100)} %` : '';
  const range = mine.count === 1 ? '' : ` (${short(mine.least)}–${short(mine.most)})`;
  return `**${short(mine.median)}**${range}${share}`;
}

const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** '' when nothing of the group was measured. Rows without any figure are left out. */
export function groupTable(results: Results, group: Group): string {
  const columns = columnsOf(group, results);
  const rows = results.contenders
    .map(({ name }) => [name, ...columns.map((column) => cell(results, name, column))])
    .filter(([, ...cells]) => cells.some((text) => text !== '–'));
  if (columns.length === 0 || rows.length === 0) return '';
  return markdownTable(['', ...columns.map((column) => `${titleOf(column)}, ${column.unit}`)], rows);
}

/** Who is compared with whom, for what vsnat adds to a loop that does nothing else. */
const ownCostPairs: readonly (readonly [string, string])[] = [
  ['vsnat, 1 queue, route', 'floor, 1 queue'],
  ['vsnat, 2 queues, route', 'floor, 2 queues'],
  ['vsnat, 1 queue, direct', 'floor, 1 queue'],
  ['vsnat, 2 queues, direct', 'floor, 2 queues'],
];

/** Quotients within rounds. Of a rate more is better, of a latency less. */
export function ownCostTable(results: Results): string {
  const names = new Set(results.contenders.map(({ name }) => name));
  const pairs = ownCostPairs.filter((pair) => pair.every((name) => names.has(name)));
  const rows = results.figures
    .filter(({ load, figure }) => !load.startsWith('IPv6') && ['rate', 'p50', 'p99'].includes(figure))
    .map((what) => {
      const found = pairs.map(([of, to]) => ratio(results.samples, what, of, to));
      const isLess = what.better === 'less' ? ' (less is better)' : '';
      return [titleOf(what) + isLess, ...found.map((one) => (one === null ? '–' : ratioText(one)))];
    });
  if (pairs.length === 0 || rows.length === 0) return '';
  return markdownTable(['', ...pairs.map(([of, to]) => `${of} / ${to}`)], rows);
}

/** What ran where, so that somebody else can judge it, or run it again. */
export function machineTable(results: Results): string {
  const { commit, dirty, date, cpu, kernel, node, command, rounds, seconds, tookSeconds } = results;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return markdownTable(
    ['', ''],
    [
      ['commit', `${commit}${dirty ? ', with changes' : ''}`],
      ['date', date],
      ['CPU', cpu],
      ['kernel', kernel],
      ['Node', node],
      ['command', `\`${command}\``],
      ['rounds', `${rounds} of ${seconds} s per load, ${Math.round(tookSeconds / 60)} minutes in all`],
      ['load average at the start', results.loadAverage.toFixed(2)],
      ['CPU time the hypervisor gave to others', percent(results.stolenShare)],
      ...results.notes.map((note) => ['note', note]),
    ],
  );
}

/** All of it, for a terminal. */
export function everyTable(results: Results): string {
  const parts = groups.flatMap((group) => {
    const table = groupTable(results, group);
    return table === '' ? [] : [`${group.title}\n\n${table}`];
  });
  const own = ownCostTable(results);
  if (own !== '')
    parts.push(`Beside the bare loop, within rounds: geometric mean (95 % confidence)\n\n${own}`);
  return parts.join('\n\n');
}
