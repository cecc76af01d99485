// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { rampShare, stepAfter } from '../../../src/director/slow-start.js';

const curves = [
  { seconds: 30, from: 0.1, curve: 1 },
  { seconds: 30, from: 0, curve: 1 },
  { seconds: 10, from: 0.5, curve: 2 },
  { seconds: 60, from: 0, curve: 0.5 },
  { seconds: 1, from: 0.05, curve: 3 },
  { seconds: 5, from: 1, curve: 1 },
];

describe.each(curves)('a slow start of $seconds s from $from with curve $curve', (slowStart) => {
  const { seconds, from, curve } = slowStart;
  const exact = (ms: number): number => from + (1 - from) * (ms / (seconds * 1000)) ** curve;

  it('is never behind its curve, and never a whole step ahead of it', () => {
    for (let ms = 0; ms < seconds * 1000; ms += 7) {
      const share = rampShare(slowStart, ms);
      expect(share).toBeGreaterThan(0);
      expect(share).toBeGreaterThanOrEqual(exact(ms) - 1e-6);
      expect(share).toBeLessThan(Math.max(exact(ms), 0) + 0.05 + 1e-6);
    }
    expect(rampShare(slowStart, seconds * 1000)).toBe(1);
  });

  it('tells when the next step is: no moment before it has another share', () => {
    let at = 0;
    let looks = 0;
    while (at < seconds * 1000) {
      const next = stepAfter(slowStart, at);
      expect(next).toBeGreaterThan(at);
      const share = rampShare(slowStart, at);
      for (let ms = at; ms < next - 2; ms += 3) expect(rampShare(slowStart, ms)).toBe(share);
      at = next;
      looks += 1;
    }
    expect(looks).toBeLessThanOrEqual(42);
    expect(rampShare(slowStart, at)).toBe(1);
  });
});

it('time that goes backwards is no time', () => {
  expect(rampShare({ seconds: 10, from: 0.2, curve: 1 }, -5_000)).toBe(0.2);
});
