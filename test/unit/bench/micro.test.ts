// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { countsOf } from '../../../bench/microbench/counts.js';
import { microOptions } from '../../../bench/microbench/options.js';
import { runsOf, samplesOf } from '../../../bench/microbench/program.js';
import { readMicroResults, writeMicroResults, type MicroResults } from '../../../bench/microbench/results.js';
import { everyMicroTable, figures, microParts, pivot } from '../../../bench/microbench/tables.js';
import { fillParts, PageError } from '../../../bench/report/pages.js';
import { resultsText } from '../../../bench/report/files.js';
import { someRun } from './some-run.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-micro-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ns = (name: string, ...values: number[]) =>
  values.map((value, i) => ({ round: i + 1, name, figure: 'ns', value }));

const results: MicroResults = {
  kind: 'micro',
  what: 'time',
  ...someRun,
  command: 'npm run bench:micro --',
  rounds: 3,
  tookSeconds: 100,
  notes: ['absl::flat_hash_map is not compared: apt-get install libabsl-dev'],
  samples: [
    ...ns('table/miss/vsnat/1k', 20, 30, 25),
    ...ns('table/miss/vsnat/10M', 150),
    ...ns('table/miss/std/1k', 40),
    ...ns('scaling/data/services/1', 75),
    ...ns('scaling/data/services/10k', 90),
    ...ns('scaling/data/servers/2', 70),
    { round: 1, name: 'memory/vsnat-ipv4/1M', figure: 'told_bytes_per_flow', value: 78.8 },
  ],
};

describe('what is asked for', () => {
  it('is five rounds of everything, or one short one', () => {
    expect(microOptions([])).toMatchObject({ rounds: 5, mostFlows: 10_000_000, what: 'time', filter: '' });
    expect(microOptions(['--quick'])).toMatchObject({ rounds: 1, mostFlows: 1_000_000 });
    expect(microOptions(['--valgrind', '--filter', '^step/'])).toMatchObject({
      what: 'counts',
      filter: '^step/',
    });
    expect(microOptions(['-h'])).toBe('help');
  });

  it.each([
    [['--rounds', '0'], 'npm run bench:micro: --rounds: must be a number from 1 on, got "0"'],
    [['--rounds', '1.5'], 'npm run bench:micro: --rounds: must be a number from 1 on, got "1.5"'],
    [
      ['--most-flows', 'many'],
      'npm run bench:micro: --most-flows: must be a number from 1000 on, got "many"',
    ],
    [['--filter', '('], 'npm run bench:micro: --filter: must be a regular expression, got "("'],
    [['--flows', '1'], "npm run bench:micro: Unknown option '--flows'; see npm run bench:micro -- --help"],
  ])('must make sense: %j', (argv, message) => {
    expect(() => microOptions(argv)).toThrow(message);
  });

  it('is run group by group, and no case beside those that are named', () => {
    const options = microOptions([]);
    if (options === 'help') throw new Error('not asked for');
    const runs = runsOf(['table/miss/vsnat/1k', 'wire/parse/ipv4-tcp', 'table/miss/vsnat/10M'], options);
    expect(runs).toHaveLength(2);
    const patterns = runs.map((argv) => new RegExp(argv.at(-1)?.replace('--benchmark_filter=', '') ?? ''));
    const chosen = [
      'table/miss/vsnat/1k',
      'table/miss/vsnat/10M',
      'table/miss/vsnat/1kk',
      'table/miss/vsnat/1',
    ];
    expect(chosen.map((name) => patterns[1]?.test(name))).toEqual([true, true, false, false]);
    expect(patterns[0]?.test('wire/parse/ipv4-tcp/iterations:200/repeats:2')).toBe(true);
  });
});

describe('what was found', () => {
  it('is read from Google Benchmark, per operation', () => {
    const json = JSON.stringify({
      benchmarks: [
        { name: 'step/open/ipv4/1k/manual_time', iterations: 10, items_per_second: 4e6, real_time: 1 },
        {
          name: 'expiry/all/1k/iterations:1/manual_time',
          items_per_second: 2e7,
          slice_max_us: 33,
          long_slices: 1,
        },
        { name: 'memory/vsnat-ipv4/1k/iterations:1', resident_bytes_per_flow: 80 },
      ],
    });
    expect(samplesOf(json, 2)).toEqual([
      { round: 2, name: 'step/open/ipv4/1k', figure: 'ns', value: 250 },
      { round: 2, name: 'expiry/all/1k', figure: 'ns', value: 50 },
      { round: 2, name: 'expiry/all/1k', figure: 'slice_max_us', value: 33 },
      { round: 2, name: 'expiry/all/1k', figure: 'long_slices', value: 1 },
      { round: 2, name: 'memory/vsnat-ipv4/1k', figure: 'resident_bytes_per_flow', value: 80 },
    ]);
  });

  it('is read from callgrind, which leaves out zeros at the end', () => {
    const dump = [
      'desc: Trigger: Client Request: step/data/ipv4/uniform/1k 100',
      'events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw',
      'totals: 104600 20000 9000 10 150 40',
    ].join('\n');
    expect(countsOf(dump)).toMatchObject([
      { figure: 'instructions', value: 1046 },
      { figure: 'data', value: 290 },
      { figure: 'L1 misses', value: 2 },
      { figure: 'LL misses', value: 0 },
    ]);
    expect(countsOf('desc: Trigger: Program termination')).toBeNull();
  });

  it('is kept in a file of its own, a line each', () => {
    const file = writeMicroResults(folder, results);
    expect(path.basename(file)).toBe('2026-01-02-abc1234-time.json');
    expect(readMicroResults(file)).toEqual(results);
    expect(path.basename(writeMicroResults(folder, results))).toBe('2026-01-02-abc1234-time-2.json');
    expect(readFileSync(file, 'utf8')).toBe(resultsText(results));
    expect(
      resultsText(results)
        .split('\n')
        .filter((line) => line.includes('"round"')),
    ).toHaveLength(9);
  });
});

describe('the tables', () => {
  it('have a row for each thing and a column for each number of flows', () => {
    expect(pivot(results, 'table/miss/')).toBe(
      [
        '|  | 1k | 10M |',
        '| --- | --- | --- |',
        '| vsnat | **25.0** (20.0–30.0) | **150** |',
        '| std | **40.0** |  |',
      ].join('\n'),
    );
    expect(pivot(results, 'nothing/')).toBe('');
  });

  it('put what is compared before what it is compared by', () => {
    expect(microParts(results).get('micro-services')).toContain('| data | **75.0** | **90.0** |');
    expect(microParts(results).get('micro-servers')).toContain('| data | **70.0** |');
  });

  it('have figures as columns where a case has several', () => {
    expect(figures(results, 'memory/', { told_bytes_per_flow: 'told' })).toContain(
      '| vsnat-ipv4 1M | **78.8** |',
    );
  });

  it('are made of what was measured alone', () => {
    expect([...microParts(results).keys()]).not.toContain('micro-wire');
    expect([...microParts({ ...results, what: 'counts' }).keys()]).toEqual([
      'micro-counts-machine',
      'micro-counts',
    ]);
    expect(everyMicroTable(results)).toContain('apt-get install libabsl-dev');
  });

  it('take the place of older ones on a page, and leave the others', () => {
    const page =
      '<!-- bench:a -->\nold\n<!-- /bench:a -->\nprose\n<!-- bench:b -->\nkept\n<!-- /bench:b -->\n';
    expect(fillParts(page, new Map([['a', 'new']]))).toBe(page.replace('old', 'new'));
    expect(() => fillParts(page, new Map([['c', 'new']]))).toThrow(PageError);
  });
});
