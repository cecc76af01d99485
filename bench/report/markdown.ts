// SPDX-License-Identifier: Apache-2.0
/** Tables: one row per contender, `median (least–most)`, and for rates the median as a share of the yardstick's. */
import { columnsOf, groups, titleOf, type Group } from './groups.js';
import { goalTable } from './goals.js';
import { ownCostCpuTable, ownCostTable, worthTable } from './ratios.js';
import { valuesOf, type FigureOfLoad, type Results } from './results.js';
import { short, spread } from './statistics.js';
import { markdownTable } from './table.js';

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

/** '' when nothing of it was measured. Rows without any figure are left out. */
function measuredTable(results: Results, columns: readonly FigureOfLoad[]): string {
  const rows = results.contenders
    .map(({ name }) => [name, ...columns.map((column) => cell(results, name, column))])
    .filter(([, ...cells]) => cells.some((text) => text !== '–'));
  if (columns.length === 0 || rows.length === 0) return '';
  return markdownTable(['', ...columns.map((column) => `${titleOf(column)}, ${column.unit}`)], rows);
}

export const groupTable = (results: Results, group: Group): string =>
  measuredTable(results, columnsOf(group, results));

/** Of everything the one table that a reader in a hurry gets: who matters, and a load of each kind. */
export function summaryTable(results: Results): string {
  const wanted = [
    /^bulk TCP, [14] streams? rate$/,
    /^64-byte UDP, 1,000 flows rate$/,
    /^(connect|HTTP).* rate$/,
    /^latency, idle p99$/,
  ];
  const columns = results.figures.filter(({ load, figure }) => {
    return wanted.some((pattern) => pattern.test(`${load} ${figure}`));
  });
  const contenders = results.contenders.filter(
    ({ name }) => !/route|no offload|floor, 2|2 queues, direct/.test(name),
  );
  return measuredTable({ ...results, contenders }, columns);
}

/** What ran where, so that somebody else can judge it, or run it again. A column for each run. */
export function machineTable(...runs: readonly Results[]): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const row = (name: string, of: (run: Results) => string): string[] => [name, ...runs.map(of)];
  const notes = new Set(runs.flatMap((run) => run.notes));
  return markdownTable(
    ['', ...runs.map((_, i) => (runs.length === 1 ? '' : `run ${i + 1}`))],
    [
      row('commit', ({ commit, dirty }) => `${commit}${dirty ? ', with changes' : ''}`),
      row('date', ({ date }) => date),
      row('CPU', ({ cpu }) => cpu),
      row('kernel', ({ kernel }) => kernel),
      row('Node', ({ node }) => node),
      row('command', ({ command }) => `\`${command}\``),
      row('rounds', ({ rounds, seconds, tookSeconds }) => {
        return `${rounds} of ${seconds} s per load, ${Math.round(tookSeconds / 60)} minutes in all`;
      }),
      row('load average at the start', ({ loadAverage }) => loadAverage.toFixed(2)),
      row('CPU time the hypervisor gave to others', ({ stolenShare }) => percent(stolenShare)),
      ...[...notes].map((note) => ['note', note, ...runs.slice(1).map(() => '')]),
    ],
  );
}

/** All of it, for a terminal. */
export function everyTable(results: Results): string {
  const parts = groups.flatMap((group) => {
    const table = groupTable(results, group);
    return table === '' ? [] : [`${group.title}\n\n${table}`];
  });
  const compared = [
    ['Beside the bare loop', ownCostTable(results)],
    ["CPU time of the director's processes beside the bare loop", ownCostCpuTable(results)],
    ['What each way is worth', worthTable(results)],
    ['Goals', goalTable(results)],
  ] as const;
  for (const [title, table] of compared)
    if (table !== '') parts.push(`${title}, within rounds: geometric mean (95 % confidence)\n\n${table}`);
  return parts.join('\n\n');
}
