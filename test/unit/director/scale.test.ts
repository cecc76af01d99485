// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { scaledWeights } from '../../../src/director/scale.js';
import { maxWeight, type SchedulerName } from '../../../src/model/index.js';

const whole = (weight: number) => ({ weight, share: 1 });

describe('weights with shares', () => {
  it.each<[string, Parameters<typeof scaledWeights>[1], number[]]>([
    ['whole ones stay as they are', [whole(1), whole(3)], [1, 3]],
    ['a half of 1 beside 1 is 50 beside 100', [{ weight: 1, share: 0.5 }, whole(1)], [50, 100]],
    ['who has no share has no weight', [null, { weight: 2, share: 0.25 }, whole(1)], [0, 50, 100]],
    ['weight 0 stays 0', [whole(0), { weight: 1, share: 0.05 }], [0, 5]],
    ['share 0 is weight 0', [{ weight: 9, share: 0 }, whole(1)], [0, 100]],
    [
      'without room they are rounded, not above the greatest',
      [{ weight: 1, share: 0.5 }, whole(maxWeight)],
      [1, maxWeight],
    ],
    ['with little room the factor is small', [{ weight: 3, share: 0.5 }, whole(20_000)], [5, 60_000]],
    ['nobody', [], []],
  ])('%s', (_, members, expected) => {
    expect(scaledWeights('wlc', members)).toEqual(expected);
  });

  it.each<SchedulerName>(['ovf', 'lblc', 'lblcr'])(
    'of %s are numbers of connections and are not scaled',
    (name) => {
      expect(scaledWeights(name, [{ weight: 9, share: 0.5 }, whole(10)])).toEqual([5, 10]);
    },
  );

  it('keep the shares to one percent, whatever the weights', () => {
    for (const share of [0.05, 0.35, 0.5, 0.95]) {
      for (const weight of [1, 3, 7, 100, 600]) {
        const [part = 0, all = 1] = scaledWeights('wrr', [{ weight, share }, whole(weight)]);
        expect(part / all).toBeCloseTo(share, 2);
      }
    }
  });
});
