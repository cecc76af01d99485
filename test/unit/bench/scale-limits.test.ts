// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { brokenLimits, type ScaleFigures } from '../../../bench/scale-limits.js';

const good: ScaleFigures = { loadCpuMs: 2999, swapMs: [0.2, 49.9], sent: 1000, forwarded: 1000 };

describe('the limits of npm run bench -- scale', () => {
  it.each<[string, Partial<ScaleFigures>, string[]]>([
    ['are kept', {}, []],
    ['of the load', { loadCpuMs: 3000 }, ['load: must take less than 3000 ms of CPU, got 3000']],
    [
      'of a swap',
      { swapMs: [0.1, 50, 80.25] },
      ['swap: must take less than 50 ms, got 80.3 (2 of 3 took longer)'],
    ],
    ['of loss', { forwarded: 999 }, ['packets: must be forwarded as they were sent, got 999 of 1000']],
    [
      'mean nothing without traffic',
      { sent: 0, forwarded: 0 },
      ['traffic: must flow while changes are made, got none'],
    ],
  ])('%s', (_, change, expected) => {
    expect(brokenLimits({ ...good, ...change })).toEqual(expected);
  });
});
