// SPDX-License-Identifier: Apache-2.0
/** lblc and lblcr: fixed sequences, and the kernel's own cache through random histories. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lblc } from '../../../src/scheduler/lblc.js';
import { lblcr } from '../../../src/scheduler/lblcr.js';
import type { Scheduler } from '../../../src/scheduler/index.js';
import { carryMemory, pick, type LiveServer, type Memory } from '../../../src/scheduler/simulate.js';
import { KernelLblc, KernelLblcr, type KernelLocal, type KernelServer } from './kernel-local.js';
import { address, anyClient, fill, letters, type NamedServer } from './support.js';

describe('one VIP, connections that stay', () => {
  test.each([
    ['lblc', lblc, { A: 2, B: 2, C: 2 }, 'CCCBBBAAAAAA'],
    ['lblc', lblc, { A: 4, B: 2, C: 1 }, 'CCBBBAAAAAAA'],
    ['lblcr', lblcr, { A: 2, B: 2, C: 2 }, 'CCCBBBAAAABCABCA'],
    ['lblcr', lblcr, { A: 4, B: 2, C: 1 }, 'CCBBBAAAAAAABAAB'],
  ] as const)('%s', (_, scheduler, weights, picks) => {
    const servers = letters(weights);
    expect(fill(scheduler.plan(servers), servers, picks.length)).toBe(picks);
  });
});

describe('many VIPs', () => {
  const servers = letters({ A: 1, B: 1 });
  const busy: LiveServer[] = servers.map(() => ({ weight: 1, active: 0, inactive: 0, overloaded: false }));

  test('each stays with the server that was the least loaded when it came', () => {
    const plan = lblc.plan(servers);
    let memory: Memory = new Map();
    const ask = (vip: string, active: readonly [number, number]): number | null => {
      const now = busy.map((server, index) => ({ ...server, active: active[index] ?? 0 }));
      const picked = pick(plan, now, anyClient, 0, { destination: address(vip), memory });
      memory = picked.memory;
      return picked.server;
    };
    expect(ask('192.0.2.10', [0, 1])).toBe(0);
    expect(ask('192.0.2.11', [1, 0])).toBe(1);
    expect(ask('192.0.2.10', [1, 0])).toBe(0);
    expect(ask('192.0.2.11', [0, 1])).toBe(1);
  });
});

test('lblc does not mind the threshold of the server it stays with', () => {
  const servers = letters({ A: 1, B: 1 });
  const live = (overloaded: boolean): LiveServer[] =>
    servers.map(({ name }) => ({
      weight: 1,
      active: 0,
      inactive: 0,
      overloaded: overloaded && name === 'B',
    }));
  for (const [scheduler, second] of [
    [lblc, 1],
    [lblcr, 0],
  ] as const) {
    const plan = scheduler.plan(servers);
    const occasion = { destination: address('192.0.2.10') };
    const { server, memory } = pick(plan, live(false), anyClient, 0, occasion);
    expect(server).toBe(1);
    expect(pick(plan, live(true), anyClient, 0, { ...occasion, memory }).server).toBe(second);
  }
});

type Step =
  | { readonly kind: 'pick'; readonly vip: number; readonly active: boolean }
  | { readonly kind: 'end' | 'remove' | 'overload'; readonly which: number }
  | { readonly kind: 'add'; readonly weight: number }
  | { readonly kind: 'edit'; readonly which: number; readonly weight: number }
  | { readonly kind: 'wait'; readonly seconds: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('pick' as const), vip: fc.nat(2), active: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom<'end' | 'remove' | 'overload'>('end', 'end', 'remove', 'overload'),
      which: fc.nat(7),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('add' as const), weight: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('edit' as const), which: fc.nat(7), weight: fc.nat(5) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      seconds: fc.constantFrom(60, 86_399, 86_400, 86_401),
    }),
  },
);

/** Play a history against the kernel and against a plan with its memory. */
function compare(scheduler: Scheduler, kernel: KernelLocal, steps: readonly Step[]): void {
  let memory: Memory = new Map();
  let added = 0;
  /** In the order of the configuration, which is the kernel's list from its end. */
  const list = (): KernelServer[] => kernel.list.toReversed();
  const configured = (): NamedServer[] => list().flatMap(({ name, weight }) => letters({ [name]: weight }));
  const change = (edit: () => void): void => {
    const before = configured();
    edit();
    memory = carryMemory(memory, before, configured());
  };
  const add = (weight: number): void => {
    const name = String.fromCharCode(65 + added);
    added += 1;
    kernel.list.unshift({ name, weight, active: 0, inactive: 0, overloaded: false });
  };
  [2, 1, 2].forEach(add);
  for (const it of steps) {
    if (it.kind === 'wait') kernel.now += it.seconds;
    else if (it.kind === 'add') change(() => add(it.weight));
    else if (it.kind === 'pick') {
      const servers = list();
      const destination = address(`192.0.2.${it.vip}`);
      const occasion = { destination, memory, nowSeconds: kernel.now };
      const picked = pick(scheduler.plan(configured()), servers, anyClient, 0, occasion);
      const wanted = kernel.pick(destination);
      expect(picked.server === null ? null : servers[picked.server]?.name).toBe(wanted?.name ?? null);
      memory = picked.memory;
      if (wanted !== null) wanted[it.active ? 'active' : 'inactive'] += 1;
    } else {
      const server = kernel.list[it.which % Math.max(kernel.list.length, 1)];
      if (server === undefined) continue;
      if (it.kind === 'remove') change(() => kernel.remove(server));
      else if (it.kind === 'edit') change(() => (server.weight = it.weight));
      else if (it.kind === 'overload') server.overloaded = !server.overloaded;
      else if (server.active > 0) [server.active, server.inactive] = [server.active - 1, server.inactive + 1];
      else server.inactive = 0;
    }
  }
}

describe('through any history of connections, changes and waiting', () => {
  const history = fc.array(step, { minLength: 20, maxLength: 60, size: 'max' });

  test.each([
    ['lblc', lblc, () => new KernelLblc()],
    ['lblcr', lblcr, () => new KernelLblcr()],
  ] as const)('%s picks what the kernel picks', (_, scheduler, kernel) => {
    fc.assert(
      fc.property(history, (steps) => compare(scheduler, kernel(), steps)),
      { numRuns: 300 },
    );
  });
});
