// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { ratio, ratioText } from '../../../bench/report/pairs.js';
import type { Sample } from '../../../bench/report/results.js';

const sample = (round: number, contender: string, value: number | null): Sample => ({
  round,
  contender,
  load: 'bulk',
  figure: 'rate',
  value,
});

const bulk = { load: 'bulk', figure: 'rate' };

const rounds = (pairs: readonly (readonly [number | null, number | null])[]): Sample[] =>
  pairs.flatMap(([a, b], round) => [sample(round, 'a', a), sample(round, 'b', b)]);

describe('contenders compared within rounds', () => {
  it('sees a constant ratio through rounds that differ by a factor of ten, and is sure of it', () => {
    const found = ratio(
      rounds([
        [1, 2],
        [10, 20],
        [3, 6],
      ]),
      bulk,
      'a',
      'b',
    );
    expect(found?.mean).toBeCloseTo(0.5);
    expect(found?.interval?.[0]).toBeCloseTo(0.5);
    expect(found?.interval?.[1]).toBeCloseTo(0.5);
  });

  it('is the reciprocal of the comparison the other way round', () => {
    const samples = rounds([
      [4, 5],
      [6, 5],
      [9, 7],
      [3, 4],
    ]);
    const there = ratio(samples, bulk, 'a', 'b');
    const back = ratio(samples, bulk, 'b', 'a');
    expect((there?.mean ?? 0) * (back?.mean ?? 0)).toBeCloseTo(1);
    expect((there?.interval?.[0] ?? 0) * (back?.interval?.[1] ?? 0)).toBeCloseTo(1);
  });

  it('leaves out rounds in which either failed', () => {
    const found = ratio(
      rounds([
        [2, 1],
        [null, 1],
        [2, null],
        [8, 4],
      ]),
      bulk,
      'a',
      'b',
    );
    expect(found).toMatchObject({ rounds: 2, interval: null });
    expect(found?.mean).toBeCloseTo(2);
  });

  it('has nothing to say of contenders that did not run, or of figures nobody took', () => {
    expect(ratio(rounds([[1, 2]]), bulk, 'a', 'c')).toBeNull();
    expect(ratio(rounds([[1, 2]]), { ...bulk, figure: 'p50' }, 'a', 'b')).toBeNull();
  });

  it('has the interval of a textbook: logarithms 0, 0.1 and 0.2 give 0.1 +- 4.303 * 0.1 / sqrt(3)', () => {
    const found = ratio(rounds([0, 0.1, 0.2].map((log) => [Math.exp(log), 1])), bulk, 'a', 'b');
    expect(found?.interval?.[0]).toBeCloseTo(Math.exp(0.1 - 0.2484), 3);
    expect(found?.interval?.[1]).toBeCloseTo(Math.exp(0.1 + 0.2484), 3);
  });

  it('is written with its interval, or without one where two rounds say too little', () => {
    const few = ratio(rounds([[1, 2]]), bulk, 'a', 'b');
    const many = ratio(rounds(Array.from({ length: 4 }, () => [1, 2] as const)), bulk, 'a', 'b');
    expect([few, many].map((one) => one && ratioText(one))).toEqual(['0.500', '0.500 (0.500–0.500)']);
  });
});
