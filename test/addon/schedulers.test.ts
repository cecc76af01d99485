// SPDX-License-Identifier: Apache-2.0
/**
 * The schedulers through the whole of it: configuration, plan, addon, packet. The kernel's vectors, and then random
 * histories in which connections begin and end, servers come, go, change weight and fill up: the real server each
 * packet is sent to must be the one the TypeScript reference picks, and the live counts those of a count by hand.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type {
  BoundedPlan,
  CustomScheduler,
  LeastPlan,
  Plan,
  SchedulerFlag,
  SchedulerName,
  ServerIndex,
} from '../../src/model/index.js';
import { schedulerNames } from '../../src/scheduler/index.js';
import { vectors } from '../unit/scheduler/support.js';
import { Twin, type TwinServer } from './twin.js';

const vip = '192.0.2.10';
const client = '198.51.100.7';

describe("the kernel's vectors, as packets", () => {
  it.each(vectors.sched)('$scheduler $weights, $load', async ({ scheduler, weights, picks, load, bound }) => {
    const twin = new Twin(scheduler as SchedulerName, [], [vip]);
    const servers = Object.entries(weights).map(([name, weight]) => ({ name, weight }));
    // Built server by server as with ipvsadm, unless the vector is of a scheduler bound to servers that are there.
    const first = bound?.startsWith('by editing') === true ? servers.length : 1;
    for (let count = first; count <= servers.length; count += 1)
      await twin.configure(servers.slice(0, count));
    const protocol = load.includes('INACTIVE') ? 'udp' : 'tcp';
    const got = picks.map(() => twin.begin({ protocol, client, vip }));
    expect(got.map(([addon]) => addon)).toEqual(picks.map((name) => name ?? '-'));
    expect(got.map(([, reference]) => reference)).toEqual(picks.map((name) => name ?? '-'));
    await twin.close();
  });

  it('dh sends every VIP where the kernel does', async () => {
    const [vector] = vectors.hash.filter(({ kind }) => kind === 'dh');
    const lookups = vector?.lookups_addr_port_bucket_pick ?? [];
    expect(lookups.length).toBeGreaterThan(10);
    const twin = new Twin('dh', [], lookups.map(([address]) => address)); // prettier-ignore
    await twin.configure(['A', 'B', 'C'].map((name) => ({ name, weight: 1 })));
    for (const [address, , , name] of lookups) {
      expect([address, ...twin.begin({ protocol: 'tcp', client, vip: address })]).toEqual([
        address,
        name,
        name,
      ]);
    }
    await twin.close();
  });
});

type Step =
  | { readonly kind: 'begin'; readonly udp: boolean; readonly from: number; readonly vip: number }
  | { readonly kind: 'end'; readonly which: number; readonly how: 'refused' | 'closed' }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'add'; readonly weight: number }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'edit'; readonly which: number; readonly weight: number }
  | { readonly kind: 'limit'; readonly which: number; readonly limit: number };

const record = <K extends string, T>(kind: K, fields: { [P in keyof T]: fc.Arbitrary<T[P]> }) =>
  fc.record({ kind: fc.constant(kind), ...fields });
const which = fc.nat(20);
const weight = fc.oneof({ weight: 4, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.constant(100) });

const step = fc.oneof(
  {
    weight: 16,
    arbitrary: record('begin', { udp: fc.integer({ min: 0, max: 4 }).map((n) => n === 0), from: fc.nat(9), vip: fc.nat(2) }),
  },
  { weight: 5, arbitrary: record('end', { which, how: fc.constantFrom('refused' as const, 'closed' as const) }) },
  { weight: 1, arbitrary: record('wait', { seconds: fc.constantFrom(9, 11, 121, 43_200, 86_399, 86_400) }) },
  { weight: 1, arbitrary: record('add', { weight }) },
  { weight: 1, arbitrary: record('remove', { which }) },
  { weight: 2, arbitrary: record('edit', { which, weight }) },
  { weight: 2, arbitrary: record('limit', { which, limit: fc.nat(6) }) },
) as fc.Arbitrary<Step>; // prettier-ignore

const history = fc.record({
  start: fc.array(weight, { minLength: 1, maxLength: 4 }),
  steps: fc.array(step, { minLength: 20, maxLength: 50, size: 'max' }),
});

interface History {
  readonly start: readonly number[];
  readonly steps: readonly Step[];
}

async function play(twin: Twin, { start, steps }: History): Promise<void> {
  let added = 0;
  const fresh = (its: number): TwinServer => ({ name: String.fromCharCode(65 + added++), weight: its });
  let servers = start.map(fresh);
  await twin.configure(servers);
  for (const it of steps) {
    if (it.kind === 'begin') {
      const newcomer = {
        protocol: it.udp ? 'udp' : 'tcp',
        client: `198.51.100.${it.from + 1}`,
        vip: `192.0.2.${it.vip + 10}`,
      } as const;
      const [got, want] = twin.begin(newcomer);
      expect(got).toBe(want);
    } else if (it.kind === 'end') twin.end(it.which, it.how);
    else if (it.kind === 'wait') twin.wait(it.seconds);
    else {
      const at = 'which' in it ? it.which % Math.max(servers.length, 1) : -1;
      if (it.kind === 'add') servers = [...servers, fresh(it.weight)];
      else if (it.kind === 'remove') servers = servers.filter((_, index) => index !== at);
      else if (it.kind === 'edit')
        servers = servers.map((old, i) => (i === at ? { ...old, weight: it.weight } : old));
      else servers = servers.map((old, i) => (i === at ? { ...old, limit: it.limit } : old));
      await twin.configure(servers);
    }
    if (it.kind !== 'begin' && it.kind !== 'end') expectSameCounts(twin);
  }
  expectSameCounts(twin);
}

function expectSameCounts(twin: Twin): void {
  const [got, want] = twin.counts();
  expect(got).toBe(want);
}

describe('through any history, the addon picks what the reference picks', () => {
  const flags: Partial<Record<SchedulerName, SchedulerFlag[]>> = {
    sh: ['sh-port', 'sh-fallback'],
    mh: ['mh-port', 'mh-fallback'],
  };
  it.each(schedulerNames)('%s', async (name) => {
    const someFlags = fc.subarray(flags[name] ?? []);
    await fc.assert(
      fc.asyncProperty(history, someFlags, async (past, chosen) => {
        const twin = new Twin(name, chosen, ['192.0.2.10', '192.0.2.11', '192.0.2.12']);
        try {
          await play(twin, past);
        } finally {
          await twin.close();
        }
      }),
      { numRuns: 30 },
    );
  });
});

/** A plan for the servers there are, made of random parts: each service has its own. */
const custom = (plan: (indexes: readonly ServerIndex[]) => Plan): CustomScheduler => ({
  name: 'random',
  plan: (servers) => plan(servers.map((_, index) => index)),
});

const factored = fc.record({
  among: fc.constantFrom<LeastPlan['among']>('all', 'idle-first', 'two', 'two-distinct'),
  activeCost: fc.constantFrom(1, 257, 1_048_576),
  inactiveCost: fc.constantFrom(0, 1),
  constant: fc.constantFrom(0, 1),
  weighted: fc.boolean(),
  factors: fc.array(fc.oneof(fc.constant(65_535), fc.integer({ min: 1, max: 9 })), { minLength: 8, maxLength: 8 }),
}); // prettier-ignore

const bounded = fc.record({
  on: fc.constantFrom<BoundedPlan['on']>('source', 'destination'),
  usePort: fc.boolean(),
  boundPercent: fc.constantFrom(100, 101, 125, 200, 10_000),
  counted: fc.constantFrom<BoundedPlan['counted']>('active', 'all'),
  slots: fc.array(fc.integer({ min: -1, max: 7 }), { minLength: 0, maxLength: 40 }),
});

describe('through any history, plans no kernel scheduler makes are picked from as the reference does', () => {
  const playWith = async (scheduler: CustomScheduler, past: History): Promise<void> => {
    const twin = new Twin(scheduler, [], ['192.0.2.10', '192.0.2.11', '192.0.2.12']);
    try {
      await play(twin, past);
    } finally {
      await twin.close();
    }
  };

  it('least, with factors and distinct draws', async () => {
    await fc.assert(
      fc.asyncProperty(history, factored, async (past, { factors, ...parts }) => {
        const scheduler = custom((indexes) => ({
          kind: 'least',
          ...parts,
          order: [...indexes].reverse(),
          factors: indexes.map((index) => factors[index % factors.length] ?? 1),
        }));
        await playWith(scheduler, past);
      }),
      { numRuns: 120 },
    );
  });

  it('bounded', async () => {
    await fc.assert(
      fc.asyncProperty(history, bounded, async (past, { slots, ...parts }) => {
        const scheduler = custom(({ length }) => ({
          kind: 'bounded',
          ...parts,
          slots: slots.map((slot) => Math.min(slot, length - 1)),
        }));
        await playWith(scheduler, past);
      }),
      { numRuns: 120 },
    );
  });
});
