// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { againstTable } from '../../../bench/report/against.js';
import { groups } from '../../../bench/report/groups.js';
import { everyTable, groupTable, machineTable } from '../../../bench/report/markdown.js';
import { fill, groupChart, partsOf } from '../../../bench/report/pages.js';
import { ownCostTable } from '../../../bench/report/ratios.js';
import { readResults, writeResults, type Results, type Sample } from '../../../bench/report/results.js';
import { median, short, spread } from '../../../bench/report/statistics.js';
import { resultsText } from '../../../bench/report/files.js';
import { someRun } from './some-run.js';

const bulk = 'bulk TCP, 1 stream';
const sample = (
  contender: string,
  round: number,
  value: number | null,
  load = bulk,
  figure = 'rate',
): Sample => ({
  round,
  contender,
  load,
  figure,
  value,
  ...(value === null && { error: 'streams failed' }),
});

const results: Results = {
  ...someRun,
  rounds: 3,
  seconds: 0.8,
  stolenShare: 0.012,
  tookSeconds: 900,
  contenders: [
    { name: 'nftables DNAT', kind: 'kernel' },
    { name: 'floor, 1 queue', kind: 'floor' },
    { name: 'vsnat, 1 queue, route', kind: 'vsnat' },
    { name: 'HAProxy <tcp>', kind: 'proxy' },
  ],
  figures: [
    { load: bulk, figure: 'rate', unit: 'Gbit/s', better: 'more' },
    { load: 'latency, idle', figure: 'p50', unit: 'µs', better: 'less' },
  ],
  notes: ['nginx not measured: nginx is missing'],
  samples: [
    ...[10, 12, 11].map((value, i) => sample('nftables DNAT', i + 1, value)),
    ...[8, 8, 8].map((value, i) => sample('floor, 1 queue', i + 1, value)),
    ...[4, 4, 4].map((value, i) => sample('vsnat, 1 queue, route', i + 1, value)),
    sample('HAProxy <tcp>', 1, null),
    sample('floor, 1 queue', 1, 20, 'latency, idle', 'p50'),
    sample('vsnat, 1 queue, route', 1, 25, 'latency, idle', 'p50'),
  ],
};
const group = (id: string) => {
  const found = groups.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no group ${id}`);
  return found;
};

describe('statistics of samples', () => {
  it('take the middle one, or the mean of the two in the middle, whatever the order', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7]);
  });

  it('never show a median without its spread, and nothing where there is nothing', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3, count: 3 });
    expect(spread([])).toBeNull();
  });

  it.each([
    [0.0123, '0.0123'],
    [9.876, '9.88'],
    [123.4, '123'],
    [9_876, '9876'],
    [12_345, '12.3k'],
    [123_456, '123k'],
    [1_234_567, '1.23M'],
  ])('%d is written %s', (value, text) => {
    expect(short(value)).toBe(text);
  });
});

describe('tables of a run', () => {
  it('have a median with its spread and its share of the yardstick; failed runs and absent figures are said', () => {
    expect(groupTable(results, group('bulk-tcp')).split('\n')).toEqual([
      '|  | bulk TCP, 1 stream, Gbit/s |',
      '| --- | --- |',
      '| nftables DNAT | **11.0** (10.0–12.0) |',
      '| floor, 1 queue | **8.00** (8.00–8.00) 73 % |',
      '| vsnat, 1 queue, route | **4.00** (4.00–4.00) 36 % |',
      '| HAProxy <tcp> | failed |',
    ]);
  });

  it('leave out who has no figure of the group, and groups nobody measured', () => {
    expect(groupTable(results, group('latency'))).not.toContain('nftables');
    expect(groupTable(results, group('packets'))).toBe('');
  });

  it('compare vsnat with the bare loop of as many queues, within rounds', () => {
    const lines = ownCostTable(results).split('\n');
    expect(lines[0]).toBe('|  | vsnat, 1 queue, route / floor, 1 queue |');
    expect(lines).toContain('| bulk TCP, 1 stream | 0.500 (0.500–0.500), **more than 3 %** |');
    expect(lines).toContain('| latency, idle, p50 (less is better) | 1.250, unsure |');
  });

  it('say where the run was, and who was not in it', () => {
    const text = machineTable(results);
    for (const fact of ['abc1234', '2 x some CPU', '6.1', '1.2 %', '3 of 0.8 s per load, 15 minutes'])
      expect(text).toContain(fact);
    expect(text).toContain('nginx is missing');
    expect(everyTable(results)).toContain('Beside the bare loop');
  });

  it('have a column for each of several runs', () => {
    const later = { ...results, commit: 'def5678', notes: ['too late'] };
    const lines = machineTable(results, later).split('\n');
    expect(lines[0]).toBe('|  | run 1 | run 2 |');
    expect(lines).toContain('| commit | abc1234 | def5678 |');
    expect(lines).toContain('| note | too late |  |');
  });

  it('put two versions side by side', () => {
    const pair = { base: 'floor, 1 queue', head: 'vsnat, 1 queue, route' };
    expect(againstTable(results.samples, results.figures, pair)).toContain(
      '| bulk TCP, 1 stream, Gbit/s | 8.00 | 4.00 | 0.500 (0.500–0.500) | more |',
    );
  });
});

describe('charts of a run', () => {
  const svg = groupChart(results, group('bulk-tcp'));

  it('have a bar per contender in its colour, as long as its median', () => {
    const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"[^>]*class="(\w+)"/g)].map(
      ([, width, kind]) => [kind, Number(width)] as const,
    );
    expect(widths.map(([kind]) => kind)).toEqual(['kernel', 'floor', 'vsnat']);
    const [kernel = 0, floor = 0, vsnat = 0] = widths.map(([, width]) => width);
    expect(floor / kernel).toBeCloseTo(8 / 11, 2);
    expect(vsnat / kernel).toBeCloseTo(4 / 11, 2);
  });

  it('name everybody, those too who have no bar, and escape what XML would take for its own', () => {
    expect(svg).toContain('HAProxy &lt;tcp&gt;');
    expect(svg).toContain('Gbit/s, more is better');
    expect(svg.match(/<(\w+)[ >]/g)?.length).toBe(
      (svg.match(/<\/\w+>/g)?.length ?? 0) + (svg.match(/\/>/g)?.length ?? 0),
    );
  });
});

describe('a page with parts of a run', () => {
  const { parts, charts } = partsOf([results], 'benchmarks');

  it('gets its tables and charts between the markers, again and again, and keeps its prose', () => {
    const page = 'before\n<!-- bench:bulk-tcp -->\nold\n<!-- /bench:bulk-tcp -->\nafter\n';
    const once = fill(page, parts);
    expect(once).toMatch(/^before\n<!-- bench:bulk-tcp -->\n!\[Bulk TCP\]\(benchmarks\/bulk-tcp.svg\)/);
    expect(once).toMatch(/\n<!-- \/bench:bulk-tcp -->\nafter\n$/);
    expect(once).not.toContain('old');
    expect(fill(once, parts)).toBe(once);
    expect([...charts.keys()]).toEqual(['bulk-tcp.svg', 'latency.svg']);
  });

  it('is refused when it asks for a part there is not, or does not say where one ends', () => {
    expect(() => fill('<!-- bench:speed -->', parts)).toThrow(/there is no such part; there are machine/);
    expect(() => fill('<!-- bench:bulk-tcp -->', parts)).toThrow(
      /must be followed by <!-- \/bench:bulk-tcp -->/,
    );
  });

  it("finds all its parts in this project's page", () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../../docs/benchmarks.md'), 'utf8');
    expect(page.match(/<!-- bench:/g)?.length).toBeGreaterThan(groups.length);
    expect(() => fill(page, parts)).not.toThrow();
  });
});

describe('the file of a run', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-results-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('has a line for each sample and reads back as it was', () => {
    expect(JSON.parse(resultsText(results))).toEqual(results);
    expect(resultsText(results)).toContain('\n    {"round":1,"contender":"HAProxy <tcp>"');
  });

  it('is never written over', () => {
    const [first, second] = [writeResults(folder, results), writeResults(folder, results)];
    expect([first, second].map((file) => path.basename(file))).toEqual([
      '2026-01-02-abc1234.json',
      '2026-01-02-abc1234-2.json',
    ]);
    expect(readResults(first)).toEqual(results);
  });

  it('is refused when an older harness wrote it', () => {
    const file = path.join(folder, 'old.json');
    writeFileSync(file, '{"commit":"abc","samples":[]}');
    expect(() => readResults(file)).toThrow(/figures, contenders: must be there/);
  });
});
