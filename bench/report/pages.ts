// SPDX-License-Identifier: Apache-2.0
/** Puts a run's tables and charts into a page, between markers: prose is written by people and stays as it is. */
import { goalTable } from './goals.js';
import { columnsOf, groups, titleOf, type Group } from './groups.js';
import { groupTable, machineTable, summaryTable } from './markdown.js';
import { ownCostCpuTable, ownCostTable, worthTable } from './ratios.js';
import { valuesOf, type Results } from './results.js';
import { pooled, runsTable } from './runs.js';
import { spread } from './statistics.js';
import { chart, type Panel } from './svg.js';

export class PageError extends Error {}

/** What a page asks for that comes from a file of another kind, and stays when runs are put in. */
const fromElsewhere: ReadonlySet<string> = new Set(['profile']);

/** Replaces what stands between `<!-- bench:ID -->` and `<!-- /bench:ID -->`, wherever the page asks for something. */
export function fill(page: string, parts: ReadonlyMap<string, string>): string {
  const asked = [...page.matchAll(/<!-- bench:([\w-]+) -->/g)]
    .map(([, id = '']) => id)
    .filter((id) => !fromElsewhere.has(id));
  return asked.reduce((text, id) => {
    const content = parts.get(id);
    if (content === undefined)
      throw new PageError(
        `<!-- bench:${id} -->: there is no such part; there are ${[...parts.keys()].join(', ')}`,
      );
    return fillOne(text, id, content);
  }, page);
}

/** The same for these parts, which the page must ask for; what else it asks for stays as it is. */
export const fillParts = (page: string, parts: ReadonlyMap<string, string>): string =>
  [...parts].reduce((text, [id, content]) => fillOne(text, id, content), page);

function fillOne(page: string, id: string, content: string): string {
  const [open, close] = [`<!-- bench:${id} -->`, `<!-- /bench:${id} -->`];
  if (!page.includes(open)) throw new PageError(`${open}: must be on the page`);
  const [from, to] = [page.indexOf(open) + open.length, page.indexOf(close)];
  if (to < from) throw new PageError(`${open}: must be followed by ${close}`);
  return `${page.slice(0, from)}\n${content}\n${page.slice(to)}`;
}

export function groupChart(results: Results, group: Group): string {
  const columns = columnsOf(group, results).filter(({ figure }) => figure !== 'p999');
  const panels = columns.map((column): Panel => ({
    title: titleOf(column),
    unit: column.unit,
    better: column.better,
    bars: results.contenders.map(({ name, kind }) => ({
      name,
      kind,
      value: spread(valuesOf(results.samples, name, column.load, column.figure)),
    })),
  }));
  return chart(`${group.title}: median of ${results.rounds} rounds, with least and most`, panels);
}

const notMeasured = 'Not measured in this run.';

/**
 * Every part a page can ask for, and the charts they show, by file name. Figures are the last run's, quotients are of all
 * rounds of all runs.
 */
export function partsOf(
  runs: readonly [Results, ...Results[]],
  chartFolder: string,
): { readonly parts: ReadonlyMap<string, string>; readonly charts: ReadonlyMap<string, string> } {
  const all = pooled(runs);
  const last = runs.at(-1) ?? runs[0];
  const parts = new Map([
    ['machine', machineTable(...runs)],
    ['summary', summaryTable(last) || notMeasured],
    ['own-cost', ownCostTable(all) || notMeasured],
    ['own-cost-cpu', ownCostCpuTable(all) || notMeasured],
    ['worth', worthTable(all) || notMeasured],
    ['goals', goalTable(all, runs) || notMeasured],
    ['runs', runsTable(runs) || 'There was one run.'],
  ]);
  const charts = new Map<string, string>();
  for (const group of groups) {
    const table = groupTable(last, group);
    if (table === '') parts.set(group.id, notMeasured);
    else if (!group.isCharted) parts.set(group.id, table);
    else {
      charts.set(`${group.id}.svg`, groupChart(last, group));
      parts.set(group.id, `![${group.title}](${chartFolder}/${group.id}.svg)\n\n${table}`);
    }
  }
  return { parts, charts };
}
