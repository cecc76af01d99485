// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import type { RawCounters } from '../../../src/dataplane/counters.js';
import type { DeviceFacts, FlowPage, ServerLoad } from '../../../src/dataplane/dataplane.js';
import {
  addonAbi,
  defaultLimits,
  fromAddon,
  limitsFor,
  loadAddon,
  MemoryDataplane,
  TunDataplane,
  type Addon,
  type Engine,
} from '../../../src/dataplane/native.js';
import { VsnatError } from '../../../src/errors.js';

const systemError = (message: string, fields: object): Error => Object.assign(new Error(message), fields);

/** An addon that records how its engine is used. */
function fakeAddon(failWith?: Error): { addon: Addon; calls: unknown[][] } {
  const calls: unknown[][] = [];
  class FakeEngine implements Engine {
    closed = false;
    constructor(options: object) {
      calls.push(['open', options]);
      if (failWith !== undefined) throw failWith;
    }
    facts(): DeviceFacts {
      return { name: 'tun7' } as DeviceFacts;
    }
    publish(snapshot: unknown): number {
      calls.push(['publish', snapshot]);
      return 3;
    }
    update(delta: unknown): number {
      calls.push(['update', delta]);
      return 4;
    }
    swapSeconds(): number {
      return 0.5;
    }
    cursor(slot: number): number {
      calls.push(['cursor', slot]);
      return 9;
    }
    load(slot: number): ServerLoad {
      calls.push(['load', slot]);
      return { active: 1, inactive: 2, persistent: 3 };
    }
    signs(slots: Uint32Array, seen: Float64Array): Float64Array {
      calls.push(['signs', slots, seen]);
      return new Float64Array(7);
    }
    endFlows(selection: unknown, ending: unknown): void {
      calls.push(['endFlows', selection, ending]);
      this.#looks = 0;
    }
    #looks = 0;
    /** Done at the third look. */
    ending(): { done: boolean; ended: number } {
      this.#looks += 1;
      return { done: this.#looks === 3, ended: this.#looks };
    }
    counters(): RawCounters {
      throw systemError('counters: no', { code: 'EIO', syscall: 'read' });
    }
    flows(cursor: number, limit: number): FlowPage {
      calls.push(['flows', cursor, limit]);
      return { rows: [], next: null };
    }
    leadCheck(port: number, service: number, server: number): boolean {
      calls.push(['leadCheck', port, service, server]);
      return true;
    }
    endCheck(ends: unknown): void {
      calls.push(['endCheck', ends]);
    }
    defend(defence: unknown): void {
      calls.push(['defend', defence]);
    }
    takeDirectly(interfaces: readonly number[]): number {
      calls.push(['takeDirectly', interfaces]);
      return 0;
    }
    direct(on: boolean): void {
      calls.push(['direct', on]);
    }
    start(): void {
      calls.push(['start']);
    }
    process(packet: unknown): { outputs: []; verdict: string } {
      calls.push(['process', packet]);
      return { outputs: [], verdict: 'passed' };
    }
    expire(nowMs: number): void {
      calls.push(['expire', nowMs]);
    }
    failure(): string | null {
      return null;
    }
    close(): void {
      calls.push(['close']);
      this.closed = true;
    }
  }
  const addon: Addon = {
    Engine: FakeEngine,
    openCheckSocket: (...socket) => {
      calls.push(['openCheckSocket', ...socket]);
      return 42;
    },
    dropReasons: () => [],
    generatedKinds: () => [],
    abi: addonAbi,
    version: '0',
  };
  return { addon, calls };
}

const tunOptions = {
  name: 'vsnat0',
  queues: 2,
  offload: 'auto',
  flowCapacity: 64,
  steering: 'auto',
  ingress: false,
  egress: false,
  shortcuts: false,
  io: 'auto',
} as const;

describe('the loader', () => {
  it('says which binary is missing and the three ways to get one', () => {
    const cause = new Error('No native build was found');
    const load = (): Addon =>
      loadAddon(() => {
        throw cause;
      });
    expect(load).toThrow(VsnatError);
    try {
      load();
    } catch (error) {
      expect(error).toMatchObject({ code: 'VSNAT_ADDON_MISSING', cause });
      const { message } = error as Error;
      expect(message).toContain(`${process.platform}-${process.arch}`);
      for (const remedy of ['npm run build:native', 'npm rebuild vsnat', 'python3 make g++']) {
        expect(message).toContain(remedy);
      }
    }
  });

  it('refuses a binary of another interface: its numbers would be read wrong', () => {
    const { addon } = fakeAddon();
    expect(() => loadAddon(() => ({ ...addon, abi: addonAbi + 1 }))).toThrow(
      `must have interface ${addonAbi}, got ${addonAbi + 1}`,
    );
  });
});

describe('a TUN dataplane', () => {
  it('opens the device with its options and the limits, and starts only when told', () => {
    const { addon, calls } = fakeAddon();
    const dataplane = new TunDataplane(tunOptions, addon);
    expect(calls).toEqual([['open', { ...tunOptions, device: 'tun', ...defaultLimits }]]);
    expect(dataplane.facts.name).toBe('tun7');
    dataplane.start();
    expect(calls.at(-1)).toEqual(['start']);
  });

  it('has as many slots as its options ask for', () => {
    const { addon, calls } = fakeAddon();
    const limits = { serverSlots: 65_536, serviceSlots: 8_192 };
    expect(new TunDataplane({ ...tunOptions, limits }, addon).limits).toEqual(limits);
    expect(calls).toEqual([['open', { ...tunOptions, device: 'tun', ...limits }]]);
  });

  it.each([
    [0, 4_096],
    [2_048, 4_096],
    [2_049, 8_192],
    [4_097, 16_384],
    [65_536, 65_536],
  ])(
    'for %i services gets %i slots: room to double, as far as a flow can tell them apart',
    (services, slots) => {
      expect(limitsFor({ serverSlots: 65_536, serviceSlots: services })).toEqual({
        serverSlots: 131_072,
        serviceSlots: slots,
      });
    },
  );

  it('closes once', () => {
    const { addon, calls } = fakeAddon();
    const dataplane = new TunDataplane(tunOptions, addon);
    dataplane.close();
    dataplane.close();
    expect(calls.filter(([call]) => call === 'close')).toHaveLength(1);
  });

  it("throws the addon's own code when it is one of ours", () => {
    const { addon } = fakeAddon(systemError('TUNSETIFF: EBUSY', { code: 'VSNAT_DEVICE_BUSY', errno: 16 }));
    expect(() => new TunDataplane(tunOptions, addon)).toThrow(
      expect.objectContaining({ code: 'VSNAT_DEVICE_BUSY', message: 'TUNSETIFF: EBUSY' }) as Error,
    );
  });

  it('keeps any other failure as the cause of a VSNAT_DATAPLANE', () => {
    const { addon } = fakeAddon();
    const dataplane = new TunDataplane(tunOptions, addon);
    expect(() => dataplane.counters()).toThrow(
      expect.objectContaining({
        code: 'VSNAT_DATAPLANE',
        cause: expect.objectContaining({ syscall: 'read' }) as unknown,
      }) as Error,
    );
    expect(fromAddon('a string')).toMatchObject({ code: 'VSNAT_DATAPLANE', message: 'a string' });
  });
});

describe('a memory dataplane', () => {
  it('asks for no device of the machine, and hands packets and time through', () => {
    const { addon, calls } = fakeAddon();
    const hashKey = new Uint8Array(16);
    const dataplane = new MemoryDataplane({ flowCapacity: 16, hashKey }, undefined, addon);
    expect(calls[0]?.[1]).toMatchObject({
      device: 'memory',
      queues: 1,
      steering: 'off',
      flowCapacity: 16,
      hashKey,
    });
    const packet = { packet: new Uint8Array(20), nowMs: 5 };
    expect(dataplane.process(packet).verdict).toBe('passed');
    dataplane.expire(7);
    expect(calls.slice(1)).toEqual([
      ['process', packet],
      ['expire', 7],
    ]);
  });
});

describe('orders to end connections', () => {
  it('are given one at a time, each when the one before it is obeyed', async () => {
    const { addon, calls } = fakeAddon();
    const dataplane = new TunDataplane(tunOptions, addon);
    const first = dataplane.endFlows({ serverSlot: 1 }, 'reset');
    const second = dataplane.endFlows({ clientPort: 7 }, 'silence');
    expect(await first).toBe(3);
    expect(calls.filter(([what]) => what === 'endFlows')).toHaveLength(1);
    expect(await second).toBe(3);
    expect(calls.filter(([what]) => what === 'endFlows')).toEqual([
      ['endFlows', { serverSlot: 1 }, 'reset'],
      ['endFlows', { clientPort: 7 }, 'silence'],
    ]);
  });
});
