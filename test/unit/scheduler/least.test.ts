// SPDX-License-Identifier: Apache-2.0
/** lc and wlc against the kernel's vectors: every pick becomes a connection that stays. */
import { describe, expect, test } from 'vitest';
import { lc } from '../../../src/scheduler/lc.js';
import { pick, type LiveServer } from '../../../src/scheduler/simulate.js';
import { wlc } from '../../../src/scheduler/wlc.js';
import { anyClient, idle, letters, vectors } from './support.js';

describe("the kernel's vectors", () => {
  const cases = vectors.sched.filter(({ scheduler }) => scheduler === 'lc' || scheduler === 'wlc');

  test('there are vectors', () => {
    expect(cases).toHaveLength(16);
  });

  test.each(cases)('$scheduler $weights: $load', ({ scheduler, weights, picks, load }) => {
    const servers = letters(weights);
    const plan = (scheduler === 'lc' ? lc : wlc).plan(servers);
    const live = servers.map(idle);
    const names = picks.map(() => {
      const index = pick(plan, live, anyClient).server ?? -1;
      const server = live[index];
      if (server !== undefined) live[index] = withOneMore(server, load.includes('INACTIVE'));
      return servers[index]?.name ?? null;
    });
    expect(names).toEqual(picks);
  });
});

const withOneMore = (server: LiveServer, inactive: boolean): LiveServer =>
  inactive ? { ...server, inactive: server.inactive + 1 } : { ...server, active: server.active + 1 };

describe('load', () => {
  const servers = letters({ A: 1, B: 1 });
  const live = (a: Partial<LiveServer>, b: Partial<LiveServer>): LiveServer[] => [
    { weight: 1, active: 0, inactive: 0, overloaded: false, ...a },
    { weight: 1, active: 0, inactive: 0, overloaded: false, ...b },
  ];

  test('an active connection weighs 257 inactive ones', () => {
    expect(pick(lc.plan(servers), live({ active: 1 }, { inactive: 258 }), anyClient).server).toBe(0);
    expect(pick(lc.plan(servers), live({ active: 1 }, { inactive: 256 }), anyClient).server).toBe(1);
  });

  test('a tie goes to the newer server', () => {
    expect(pick(wlc.plan(servers), live({ active: 1 }, { inactive: 257 }), anyClient).server).toBe(1);
  });

  test('an overloaded server is passed over, and with no other there is none', () => {
    expect(pick(wlc.plan(servers), live({ active: 9 }, { overloaded: true }), anyClient).server).toBe(0);
    expect(
      pick(wlc.plan(servers), live({ overloaded: true }, { overloaded: true }), anyClient).server,
    ).toBeNull();
  });

  test('a drained server is not in the plan', () => {
    expect(wlc.plan(letters({ A: 0, B: 2 }))).toMatchObject({ order: [1] });
  });
});
