// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import type { BoundedPlan, IpAddress } from '../../../src/model/index.js';
import { boundedHash, type BoundedHashOptions } from '../../../src/scheduler/bounded-hash.js';
import { planProblem, withLastWeights, type SchedulerServer } from '../../../src/scheduler/index.js';
import { pick, type LiveServer } from '../../../src/scheduler/simulate.js';
import { idle, letters } from './support.js';

function planOf(servers: readonly SchedulerServer[], options: BoundedHashOptions = {}): BoundedPlan {
  const known = withLastWeights(servers);
  const context = { service: 'web', protocols: ['tcp'] as const, options, nowMs: 0, memory: new Map() };
  const plan = boundedHash.plan(known, [], context);
  expect(planProblem(plan, servers.length)).toBeUndefined();
  return plan as BoundedPlan;
}

const clients = Array.from({ length: 2000 }, (_, n) => `198.18.${n >> 8}.${n & 255}` as IpAddress);

/** Who serves each client, one after the other; connections stay when `stay`. */
function serve(plan: BoundedPlan, servers: readonly SchedulerServer[], stay: boolean, from = clients) {
  const live = servers.map((server): { -readonly [K in keyof LiveServer]: LiveServer[K] } => ({
    ...idle(server),
  }));
  return from.map((address) => {
    const { server } = pick(plan, live, { address, port: 1024 });
    const chosen = live[server ?? -1];
    if (stay && chosen !== undefined) chosen.active += 1;
    return server;
  });
}

const five = { A: 1, B: 1, C: 1, D: 1, E: 1 };

describe('bounded-hash', () => {
  it('sends a client to its own server while nobody is crowded', () => {
    const servers = letters(five);
    const plan = planOf(servers);
    const first = serve(plan, servers, false);
    expect(serve(plan, servers, false)).toEqual(first);
    expect(new Set(first).size).toBe(5);
  });

  it('moves hardly anybody but the clients of a server that leaves', () => {
    const servers = letters(five);
    const before = serve(planOf(servers), servers, false);
    const without = letters({ A: 1, B: 1, D: 1, E: 1 });
    const after = serve(planOf(without), without, false);
    const names = (list: readonly SchedulerServer[], at: number | null): string =>
      list[at ?? -1]?.address ?? '-';
    const moved = clients.filter(
      (_, n) => before[n] !== 2 && names(servers, before[n] ?? null) !== names(without, after[n] ?? null),
    );
    const others = before.filter((server) => server !== 2).length;
    expect(others).toBeGreaterThan(1500);
    expect(moved.length / others).toBeLessThan(0.02);
  });

  it('moves nobody but its own clients when a server is drained', () => {
    const servers = letters(five);
    const before = serve(planOf(servers), servers, false);
    const drained = servers.map((server, index) => ({
      ...server,
      weight: index === 2 ? 0 : 1,
      lastWeight: 1,
    }));
    const after = serve(planOf(drained), drained, false);
    expect(before.every((server, n) => server === 2 || server === after[n])).toBe(true);
    expect(after).not.toContain(2);
  });

  it.each([1, 1.25, 2])('lets no server have more than %s times its share', (bound) => {
    const servers = letters({ A: 1, B: 2, C: 1 });
    // Half of all connections are one client's.
    const [anyone] = clients;
    if (anyone === undefined) throw new Error('no clients');
    const skewed = clients.flatMap((address) => [anyone, address]);
    const served = serve(planOf(servers, { bound }), servers, true, skewed);
    const shares = [0, 1, 2].map(
      (index) => served.filter((server) => server === index).length / skewed.length,
    );
    const fair = [0.25, 0.5, 0.25];
    shares.forEach((share, index) => expect(share).toBeLessThanOrEqual(bound * (fair[index] ?? 0) + 0.001));
    const busiest = Math.max(...shares.map((share, index) => share / (fair[index] ?? 1)));
    if (bound < 2) expect(busiest).toBeGreaterThan(bound - 0.01); // the bound is what holds it
  });

  it('counts all connections where there is nothing but UDP, unless told', () => {
    const context = { service: 'dns', protocols: ['udp'] as const, options: {}, nowMs: 0, memory: new Map() };
    expect(boundedHash.plan(letters({ A: 1 }), [], context)).toMatchObject({
      counted: 'all',
      boundPercent: 125,
    });
    expect(planOf(letters({ A: 1 }), { counted: 'all', port: true, table: 16381 })).toMatchObject({
      counted: 'all',
      usePort: true,
      slots: { length: 16381 },
    });
  });
});
