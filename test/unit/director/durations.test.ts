// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { Durations, workBounds } from '../../../src/director/durations.js';

describe('durations', () => {
  it('fall into the bucket whose upper end they do not pass, and into the last beyond all', () => {
    const durations = new Durations();
    for (const bound of workBounds) durations.add(bound);
    durations.add(10.001);
    expect(durations.times.counts).toEqual([...workBounds.map(() => 1), 1]);
    expect(durations.times.sum).toBeCloseTo(workBounds.reduce((sum, one) => sum + one, 10.001));
  });

  it('are given out as they were', () => {
    const durations = new Durations();
    const { times } = durations;
    durations.add(1);
    expect(times.counts.every((count) => count === 0)).toBe(true);
  });
});
