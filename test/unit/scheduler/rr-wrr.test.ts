// SPDX-License-Identifier: Apache-2.0
/** rr and wrr: fixed sequences, and the kernel's own state machine through random histories of changes and picks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CyclePlan, Plan } from '../../../src/model/plan.js';
import type { Past, Scheduler } from '../../../src/scheduler/index.js';
import { rr } from '../../../src/scheduler/rr.js';
import { maxCycleSteps, wrr } from '../../../src/scheduler/wrr.js';
import { KernelRr, KernelWrr } from './kernel.js';
import { address, letters, vectors, walk, type NamedServer } from './support.js';

/** A service whose servers were added one after the other, in the kernel's way, without traffic in between. */
function oneByOne(scheduler: Scheduler, servers: readonly NamedServer[]): Plan {
  let past: Past | undefined;
  for (let count = 1; count <= servers.length; count += 1) {
    const present = servers.slice(0, count);
    past = { plan: scheduler.plan(present, past), servers: present, cursor: 0 };
  }
  return past?.plan ?? scheduler.plan([]);
}

describe("the kernel's vectors", () => {
  const cases = vectors.sched.filter(({ scheduler }) => scheduler === 'rr' || scheduler === 'wrr');

  test('there are vectors', () => {
    expect(cases).toHaveLength(11);
  });

  test.each(cases)('$scheduler $weights bound $bound', ({ scheduler, weights, picks, bound = '' }) => {
    const servers = letters(weights);
    const chosen = scheduler === 'rr' ? rr : wrr;
    const plan = bound.startsWith('by editing') ? chosen.plan(servers) : oneByOne(chosen, servers);
    expect(walk(plan, servers, picks.length).names).toBe(picks.join(''));
  });
});

describe('rr', () => {
  test('a server added after one pick is met on the next round', () => {
    const before = letters({ A: 1, B: 1, C: 1 });
    const plan = rr.plan(before);
    const { names, cursor } = walk(plan, before, 1);
    expect(names).toBe('C');
    const after = letters({ A: 1, B: 1, C: 1, D: 1 });
    expect(walk(rr.plan(after, { plan, servers: before, cursor }), after, 6).names).toBe('BADCBA');
  });

  test('when the last pick is removed its predecessor stands in for it', () => {
    const before = letters({ A: 1, B: 1, C: 1, D: 1 });
    const plan = rr.plan(before);
    const { cursor } = walk(plan, before, 2); // D C
    const after = before.filter(({ name }) => name !== 'C');
    expect(walk(rr.plan(after, { plan, servers: before, cursor }), after, 4).names).toBe('BADB');
  });

  test('with every server drained or overloaded there is none', () => {
    const servers = letters({ A: 0, B: 1 });
    expect(walk(rr.plan(servers), servers, 2, { overloaded: 'B' }).names).toBe('--');
    expect(walk(rr.plan([]), [], 1).names).toBe('-');
  });
});

describe('wrr', () => {
  test('bound at once it starts at the top of the cycle', () => {
    const servers = letters({ A: 4, B: 3, C: 2 });
    expect(walk(wrr.plan(servers), servers, 18).names).toBe('ABACBACBAABACBACBA');
  });

  test('an empty service filled by one reload starts at the top too', () => {
    const servers = letters({ A: 8, B: 4 });
    const past = { plan: wrr.plan([]), servers: [], cursor: 0 };
    expect(walk(wrr.plan(servers, past), servers, 6).names).toBe('ABAABA');
  });

  test('5:3:1 is exact over every nine connections', () => {
    const servers = letters({ A: 5, B: 3, C: 1 });
    const { names } = walk(wrr.plan(servers), servers, 90);
    expect(['A', 'B', 'C'].map((name) => names.split(name).length - 1)).toEqual([50, 30, 10]);
  });

  test("an overloaded server loses its turns and moves nobody else's", () => {
    const servers = letters({ A: 4, B: 3, C: 2 });
    expect(walk(oneByOne(wrr, servers), servers, 10, { overloaded: 'A' }).names).toBe('CBBCBCBBCB');
  });

  test('shares are exact over a cycle, whatever the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 8 }), (weights) => {
        const servers = letters(
          Object.fromEntries(weights.map((weight, i) => [String.fromCharCode(65 + i), weight])),
        );
        const { loop } = wrr.plan(servers) as CyclePlan;
        const sum = weights.reduce((a, b) => a + b, 0);
        const got = weights.map((_, index) => loop.filter((step) => step === index).length);
        expect(got.map((count) => count * sum)).toEqual(weights.map((weight) => weight * loop.length));
      }),
    );
  });

  test('weights too great to write out are scaled, and nobody loses a share', () => {
    const servers = Array.from({ length: 1000 }, (_, index) => ({
      address: address(`10.0.${index >> 8}.${index & 255}`),
      port: 80,
      weight: index === 0 ? 1 : 65535 - index,
    }));
    const started = performance.now();
    const { loop } = wrr.plan(servers) as CyclePlan;
    expect(performance.now() - started).toBeLessThan(2000);
    expect(loop.length).toBeLessThanOrEqual(maxCycleSteps);
    const sum = servers.reduce((total, { weight }) => total + weight, 0);
    const counts = Array<number>(servers.length).fill(0);
    for (const step of loop) counts[step] = (counts[step] ?? 0) + 1;
    for (const [index, { weight }] of servers.entries()) {
      const error = Math.abs((counts[index] ?? 0) / loop.length - weight / sum);
      expect(error).toBeLessThan(servers.length / maxCycleSteps);
      expect(counts[index]).toBeGreaterThan(0);
    }
  });
});

type Change =
  | { readonly kind: 'add' | 'edit'; readonly which: number; readonly weight: number }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'pick'; readonly count: number };

const someWeight = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 6 }) },
  { weight: 1, arbitrary: fc.constantFrom(10, 20, 30, 255) },
);

/** Starts with a few servers, mixes few picks with many: a change within a lead is where a cursor is misread. */
const history: fc.Arbitrary<readonly Change[]> = fc
  .tuple(
    fc.array(fc.record({ kind: fc.constant('add' as const), which: fc.constant(0), weight: someWeight }), {
      minLength: 1,
      maxLength: 5,
    }),
    fc.array(
      fc.oneof(
        fc.record({
          kind: fc.constantFrom<'add' | 'edit'>('add', 'edit', 'edit'),
          which: fc.nat(7),
          weight: someWeight,
        }),
        fc.record({ kind: fc.constant('remove' as const), which: fc.nat(7) }),
        fc.record({ kind: fc.constant('pick' as const), count: fc.oneof(fc.nat(3), fc.nat(25)) }),
        fc.record({ kind: fc.constant('pick' as const), count: fc.nat(3) }),
      ),
      { minLength: 12, maxLength: 40, size: 'max' },
    ),
  )
  .map(([start, changes]) => [...start, ...changes]);

/** Play a history against the kernel and against plans made one after the other. */
function compare(scheduler: Scheduler, kernel: KernelRr | KernelWrr, changes: readonly Change[]): void {
  let servers: NamedServer[] = [];
  let plan = scheduler.plan(servers);
  let cursor = 0;
  let added = 0;
  const replan = (next: NamedServer[]): void => {
    plan = scheduler.plan(next, { plan, servers, cursor });
    servers = next;
    cursor = 0;
  };
  for (const change of changes) {
    if (change.kind === 'pick') {
      const wanted = Array.from({ length: change.count }, () => kernel.pick() ?? '-').join('');
      const got = walk(plan, servers, change.count, { cursor });
      expect(got.names).toBe(wanted);
      cursor = got.cursor;
    } else if (change.kind === 'add') {
      const name = String.fromCharCode(65 + added);
      added += 1;
      kernel.add(name, change.weight);
      replan([...servers, ...letters({ [name]: change.weight })]);
    } else if (servers.length > 0) {
      const name = servers[change.which % servers.length]?.name ?? '';
      if (change.kind === 'edit') kernel.edit(name, change.weight);
      else kernel.remove(name);
      const weight = change.kind === 'edit' ? change.weight : 0;
      const edited = servers.map((server) => (server.name === name ? { ...server, weight } : server));
      replan(change.kind === 'edit' ? edited : servers.filter((server) => server.name !== name));
    }
  }
}

describe('through any history of additions, edits, removals and picks', () => {
  test('rr picks what the kernel picks', () => {
    fc.assert(
      fc.property(history, (changes) => compare(rr, new KernelRr(), changes)),
      { numRuns: 400 },
    );
  });

  test('wrr picks what the kernel picks', () => {
    fc.assert(
      fc.property(history, (changes) => compare(wrr, new KernelWrr(), changes)),
      { numRuns: 400 },
    );
  });
});

test('wrr bound over existing servers picks what the kernel picks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 8 }), (weights) => {
      const servers = letters(
        Object.fromEntries(weights.map((weight, i) => [String.fromCharCode(65 + i), weight])),
      );
      const kernel = new KernelWrr();
      kernel.bind(servers.map(({ name, weight }) => ({ name, weight, overloaded: false })).reverse());
      const wanted = Array.from({ length: 200 }, () => kernel.pick() ?? '-').join('');
      expect(walk(wrr.plan(servers), servers, 200).names).toBe(wanted);
    }),
  );
});
