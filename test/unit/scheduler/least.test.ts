// SPDX-License-Identifier: Apache-2.0
/** The schedulers that look at live counts, against the kernel's vectors: every pick becomes a connection that stays. */
import { describe, expect, test } from 'vitest';
import type { SchedulerName } from '../../../src/model/service.js';
import { schedulerFor } from '../../../src/scheduler/index.js';
import { lc } from '../../../src/scheduler/lc.js';
import { nq } from '../../../src/scheduler/nq.js';
import { sed } from '../../../src/scheduler/sed.js';
import { pick, type LiveServer } from '../../../src/scheduler/simulate.js';
import { wlc } from '../../../src/scheduler/wlc.js';
import { anyClient, fill, letters, vectors } from './support.js';

describe("the kernel's vectors", () => {
  /** The others are in rr-wrr.test.ts. */
  const cases = vectors.sched.filter(({ scheduler }) => scheduler !== 'rr' && scheduler !== 'wrr');

  test('there are vectors, eight of each', () => {
    expect(new Set(cases.map(({ scheduler }) => scheduler))).toEqual(
      new Set(['lc', 'wlc', 'sed', 'nq', 'fo', 'ovf']),
    );
    expect(cases).toHaveLength(6 * 8);
  });

  test.each(cases)('$scheduler $weights: $load', ({ scheduler, weights, picks, load }) => {
    const servers = letters(weights);
    const plan = schedulerFor(scheduler as SchedulerName).plan(servers);
    const filled = fill(plan, servers, picks.length, { inactive: load.includes('INACTIVE') });
    expect(filled).toBe(picks.map((name) => name ?? '-').join(''));
  });
});

const live = (...servers: readonly Partial<LiveServer>[]): LiveServer[] =>
  servers.map((server) => ({ weight: 1, active: 0, inactive: 0, overloaded: false, ...server }));

describe('load', () => {
  const servers = letters({ A: 1, B: 1 });

  test('an active connection weighs 257 inactive ones', () => {
    expect(pick(lc.plan(servers), live({ active: 1 }, { inactive: 258 }), anyClient).server).toBe(0);
    expect(pick(lc.plan(servers), live({ active: 1 }, { inactive: 256 }), anyClient).server).toBe(1);
  });

  test('a tie goes to the newer server', () => {
    expect(pick(wlc.plan(servers), live({ active: 1 }, { inactive: 257 }), anyClient).server).toBe(1);
  });

  test('an overloaded server is passed over, and with no other there is none', () => {
    const both = live({ overloaded: true }, { overloaded: true });
    for (const scheduler of [lc, wlc, sed, nq]) {
      const plan = scheduler.plan(servers);
      expect(pick(plan, live({ active: 9 }, { overloaded: true }), anyClient).server).toBe(0);
      expect(pick(plan, both, anyClient).server).toBeNull();
    }
  });

  test('a drained server is not in the plan', () => {
    expect(wlc.plan(letters({ A: 0, B: 2 }))).toMatchObject({ order: [1] });
  });
});

test('sed counts no inactive connection, and nq is content with a server that has only such', () => {
  const servers = letters({ A: 1, B: 2 });
  const busy = live({ active: 0, inactive: 5000 }, { weight: 2, active: 1, inactive: 0 });
  expect(pick(sed.plan(servers), busy, anyClient).server).toBe(1); // 1/1 against 2/2: a tie, B is newer
  expect(pick(nq.plan(servers), busy, anyClient).server).toBe(0);
});
