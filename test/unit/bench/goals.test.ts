// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { goalsOf, goalTable, verdict } from '../../../bench/report/goals.js';
import type { Ratio } from '../../../bench/report/pairs.js';
import type { Results, Sample } from '../../../bench/report/results.js';
import { apart, pooled, runsTable } from '../../../bench/report/runs.js';
import { someRun } from './some-run.js';

const bulk = 'bulk TCP, 1 stream';
const one = 'vsnat, 1 queue, shortcut';
const haproxy = 'HAProxy TCP, 2 threads';

function run(commit: string, pairs: readonly (readonly [number, number])[]): Results {
  const sample = (contender: string, round: number, value: number): Sample => {
    return { round, contender, load: bulk, figure: 'rate', value };
  };
  return {
    ...someRun,
    commit,
    rounds: pairs.length,
    seconds: 0.8,
    stolenShare: 0,
    tookSeconds: 900,
    contenders: [
      { name: one, kind: 'vsnat' },
      { name: haproxy, kind: 'proxy' },
    ],
    figures: [
      { load: bulk, figure: 'rate', unit: 'Gbit/s', better: 'more' },
      { load: 'latency, idle', figure: 'p99', unit: 'µs', better: 'less' },
    ],
    notes: [],
    samples: pairs.flatMap(([mine, theirs], i) => [sample(one, i + 1, mine), sample(haproxy, i + 1, theirs)]),
  };
}

const measured = (mean: number, interval: readonly [number, number] | null): Ratio => {
  return { of: 'a', to: 'b', rounds: 3, mean, interval };
};

describe('a goal', () => {
  const faster = { bound: 1.4, better: 'more' } as const;
  const sooner = { bound: 1, better: 'less' } as const;

  it.each([
    ['reached, on the bound itself', measured(1.4, null), faster, 'reached'],
    ['reached by the mean alone', measured(1.5, [1.3, 1.7]), faster, 'reached'],
    ['surely reached', measured(1.5, [1.45, 1.55]), faster, 'surely reached'],
    ['missed by the mean alone', measured(1.3, [1.1, 1.5]), faster, 'missed'],
    ['surely missed', measured(1.2, [1.1, 1.3]), faster, 'surely missed'],
    ['of a latency', measured(0.8, [0.7, 0.9]), sooner, 'surely reached'],
    ['of a latency, missed', measured(1.1, [0.9, 1.3]), sooner, 'missed'],
  ])('is judged: %s', (_, ratio, bound, word) => {
    expect(verdict(ratio, bound)).toBe(word);
  });

  it('names every proxy of the run, whatever its threads', () => {
    const contenders = [
      { name: 'HAProxy TCP, 8 threads', kind: 'proxy' },
      { name: 'nginx stream, 8 workers', kind: 'proxy' },
    ];
    const goals = goalsOf({ contenders });
    for (const { name } of contenders)
      for (const load of [
        'bulk TCP, 4 streams',
        'connect, request, close',
        'HTTP keep-alive',
        'latency, idle',
      ])
        expect(goals.filter((goal) => goal.to === name).map((goal) => goal.load)).toContain(load);
    expect(goals.filter(({ bound }) => bound === 1.7).map(({ to }) => to)).toEqual([
      'HAProxy TCP, 8 threads',
    ]);
  });
});

describe('the goals of several runs', () => {
  const runs = [
    run('aaa', [
      [20, 10],
      [22, 11],
    ]),
    run('bbb', [
      [36, 20],
      [9, 5],
    ]),
  ] as const;

  it('are judged by all rounds, none of which is taken for one of another run', () => {
    const all = pooled(runs);
    expect(all.rounds).toBe(4);
    expect(new Set(all.samples.map(({ round }) => round))).toEqual(new Set([1, 2, 3, 4]));
    expect(all.commit).toBe('bbb');
    expect(goalTable(all, runs).split('\n')).toEqual([
      '| load | quotient | goal | measured | run by run |  |',
      '| --- | --- | --- | --- | --- | --- |',
      `| ${bulk} | ${one} / ${haproxy} | at least 1.7 | 1.897 (1.722–2.090) | 2.00, 1.80 | surely reached |`,
    ]);
  });

  it('have no column for runs when there was one, and no row for what nobody measured', () => {
    expect(goalTable(runs[0])).toContain('| load | quotient | goal | measured |  |');
    expect(goalTable(runs[0])).not.toContain('latency');
    expect(goalTable({ ...runs[0], samples: [] })).toBe('');
  });

  it('lie as far apart as their medians', () => {
    expect(apart([9, 10, 12])).toBeCloseTo(30);
    expect(runsTable([runs[0]])).toBe('');
    expect(runsTable(runs)).toContain(`| ${bulk}, Gbit/s | 21.0, 22.5 (7 %) | 10.5, 12.5 (17 %) |`);
    expect(runsTable(runs)).toContain('| latency, idle, p99, µs | – | – |');
  });
});
