// SPDX-License-Identifier: Apache-2.0
/** The addon's class over a memory device: what goes in, what comes out, what it refuses. */
import { describe, expect, it } from 'vitest';

import { decodeCounters } from '../../src/dataplane/counters.js';
import type { Counters } from '../../src/dataplane/dataplane.js';
import { noSignals } from '../../src/dataplane/signals.js';
import { addon, countersOf, memoryOptions, oneService, syn } from './support.js';

const open = (): InstanceType<typeof addon.Engine> => new addon.Engine(memoryOptions);

describe('a memory engine', () => {
  it('forwards a SYN for a VIP to a real server and remembers the connection', () => {
    const engine = open();
    expect(engine.publish(oneService)).toBe(1);
    const result = engine.process({ packet: syn('198.51.100.7', 49153, '192.0.2.10', 80), nowMs: 1000 });
    expect(result.verdict).toBe('forwarded');
    const out = Buffer.from(result.outputs[0]?.packet ?? []);
    expect(out.subarray(16, 20)).toEqual(Buffer.from([10, 0, 0, 1]));
    expect(out.readUInt16BE(22)).toBe(8080);
    expect(engine.flows(0, 10).rows).toMatchObject([
      { state: 'SYN_RECV', clientAddress: '198.51.100.7', virtualPort: 80, realAddress: '10.0.0.1' },
    ]);
    engine.close();
  });

  it('keeps the equation rx = forwarded + passed + dropped', () => {
    const engine = open();
    engine.publish(oneService);
    engine.process({ packet: syn('198.51.100.7', 1, '192.0.2.10', 80), nowMs: 0 });
    engine.process({ packet: syn('198.51.100.7', 2, '192.0.2.10', 81), nowMs: 0 });
    engine.process({ packet: syn('198.51.100.7', 3, '203.0.113.1', 80), nowMs: 0 });
    engine.process({ packet: new Uint8Array(7), nowMs: 0 });
    const queue = engine.counters().queues[0];
    if (queue === undefined) throw new Error('a memory engine has one queue');
    const dropped = Object.values(queue.dropped).reduce((sum, n) => sum + n, 0);
    const generated = Object.values(queue.generated).reduce((sum, n) => sum + n, 0);
    expect(queue.rxPackets).toBe(4);
    expect(queue.forwarded + queue.passed + dropped).toBe(queue.rxPackets);
    expect(queue.forwarded + queue.passed + generated - queue.txFailed).toBe(queue.txPackets);
    expect(queue.dropped).toMatchObject({ no_service: 1, short: 1 });
    expect(queue.generated).toMatchObject({ tcp_reset: 1 });
    engine.close();
  });

  it('forgets a connection when its time is over, by the clock it is given', () => {
    const engine = open();
    engine.publish(oneService);
    engine.process({ packet: syn('198.51.100.7', 1, '192.0.2.10', 80), nowMs: 0 });
    engine.expire(59_000);
    expect(countersOf(engine).flowTable.flows).toBe(1);
    engine.expire(61_000);
    expect(countersOf(engine).flowTable.flows).toBe(0);
    expect(countersOf(engine).servers).toMatchObject([{ active: 0 }, { active: 0 }]);
    engine.close();
  });

  it('publishes nothing of a snapshot it refuses, and says where the mistake is', () => {
    const engine = open();
    engine.publish(oneService);
    const [service] = oneService.services;
    if (service === undefined) throw new Error('the fixture has one service');
    const noServers = { ...oneService, services: [{ ...service, servers: [] }] };
    expect(() => engine.publish(noServers)).toThrow(
      'services[0].plan: names a server index the service does not have',
    );
    const elsewhere = {
      ...service,
      slot: 1,
      servers: [],
      plan: { kind: 'cycle', lead: [], loop: [] },
    } as const;
    expect(() => engine.publish({ ...oneService, services: [service, elsewhere] })).toThrow(
      'services[1].listen[0].address: another service already listens there',
    );
    const result = engine.process({ packet: syn('198.51.100.7', 1, '192.0.2.10', 80), nowMs: 0 });
    expect(result.verdict).toBe('forwarded');
    engine.close();
  });

  it('throws on every call after close, and closes twice without harm', () => {
    const engine = open();
    engine.publish(oneService);
    engine.close();
    engine.close();
    expect(engine.closed).toBe(true);
    const calls: readonly (() => unknown)[] = [
      () => engine.facts(),
      () => engine.publish(oneService),
      () => engine.counters(),
      () => engine.flows(0, 1),
      () => engine.start(),
      () => engine.process({ packet: new Uint8Array(20), nowMs: 0 }),
      () => engine.expire(0),
    ];
    for (const call of calls) expect(call).toThrow('engine: is closed');
  });

  it('tells the part of its counters that is asked for, and that is the same as in the whole', () => {
    const engine = open();
    engine.publish(oneService);
    const [client, vip] = ['198.51.100.7', '192.0.2.10'] as const;
    for (const nowMs of [0, 1000]) engine.process({ packet: syn(client, 1, vip, 80), nowMs }); // the second is a sign
    const all = decodeCounters(engine.counters());
    const traffic = decodeCounters(engine.counters('traffic'));
    const queues = decodeCounters(engine.counters('queues'));
    expect(all.servers.map(({ signals }) => signals.synRepeated)).toEqual([1, 0]);
    expect(traffic.servers).toEqual(all.servers.map((server) => ({ ...server, signals: noSignals })));
    expect(traffic.services).toEqual(all.services);
    expect(traffic.totals).toEqual(all.totals);
    expect([queues.servers, queues.services]).toEqual([[], []]);
    const lasting = ({ queues: [queue], flowTable }: Counters): object => ({
      ...queue,
      busyNanoseconds: 0,
      flowTable,
    });
    expect(lasting(traffic)).toEqual(lasting(all));
    expect(lasting(queues)).toEqual(lasting(all));
    engine.close();
  });

  it('does not process before the first snapshot', () => {
    const engine = open();
    expect(() => engine.process({ packet: new Uint8Array(20), nowMs: 0 })).toThrow(
      'publish a snapshot first',
    );
    engine.close();
  });
});

describe('garbage arguments', () => {
  const garbage: readonly unknown[] = [
    undefined,
    null,
    0,
    NaN,
    -1,
    1e300,
    '',
    'x',
    true,
    [],
    {},
    Symbol('s'),
    () => undefined,
    new Uint8Array(3),
    new Float64Array(2),
    [1, 2],
    new Proxy({}, { get: () => { throw new Error('no'); } }), // prettier-ignore
  ];

  it('makes every method throw an Error with a code, and leaves the engine usable', () => {
    const engine = open();
    engine.publish(oneService);
    const loose = engine as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const value of garbage) {
      for (const method of ['publish', 'process', 'flows', 'expire']) {
        // -1, NaN and kin are no times and no cursors; 0 and 1e300 are judged one by one below.
        if (method === 'expire' && value === 0) continue;
        expect(() => loose[method]?.call(engine, value), `${method}(${typeof value})`).toThrow(
          expect.objectContaining({ code: 'VSNAT_DATAPLANE' }) as Error,
        );
      }
    }
    const result = engine.process({ packet: syn('198.51.100.7', 1, '192.0.2.10', 80), nowMs: 0 });
    expect(result.verdict).toBe('forwarded');
    engine.close();
  });

  it('makes the constructor throw, whatever is wrong', () => {
    const Engine = addon.Engine as unknown as new (...args: unknown[]) => unknown;
    for (const value of garbage) expect(() => new Engine(value)).toThrow();
    const wrong = [
      { device: 'disk' },
      { flowCapacity: 0 },
      { flowCapacity: 1.5 },
      { hashKey: new Uint8Array(15) },
      { hashKey: 'sixteen bytes!!!' },
      { serverSlots: -1 },
    ];
    for (const part of wrong)
      expect(() => new Engine({ ...memoryOptions, ...part })).toThrow(/^\w+: must be/);
  });

  it('is a class: calling it, or its methods on something else, throws', () => {
    const Engine = addon.Engine as unknown as (...args: unknown[]) => unknown;
    expect(() => Engine(memoryOptions)).toThrow();
    const engine = open();
    expect(() => engine.counters.call({} as never)).toThrow();
    engine.close();
  });

  it('survives getters that close the engine while it reads its arguments', () => {
    for (const method of ['publish', 'process'] as const) {
      const engine = open();
      engine.publish(oneService);
      const closing = new Proxy(
        {},
        {
          get: (): unknown => {
            engine.close();
            return [];
          },
        },
      );
      expect(() => engine[method](closing as never)).toThrow();
      expect(engine.closed).toBe(true);
    }
  });

  it('survives array elements that throw when they are read', () => {
    const engine = open();
    const services: unknown[] = [];
    Object.defineProperty(services, 0, {
      get: () => {
        throw new Error('no');
      },
    });
    expect(() => engine.publish({ removedServer: 'reset', services } as never)).toThrow(
      'services[0]: must be readable',
    );
    engine.close();
  });

  it('refuses wrong words and numbers deep inside a snapshot by their path', () => {
    const engine = open();
    const change = (path: readonly (string | number)[], value: unknown): unknown => {
      const copy = structuredClone(oneService) as unknown;
      let at = copy as Record<string | number, unknown>;
      for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
      at[path.at(-1) ?? ''] = value;
      return copy;
    };
    const costs = { activeCost: 1, inactiveCost: 0, constant: 1 };
    const leastPlan = { kind: 'least', among: 'all', ...costs, weighted: true, order: [0, 1] };
    const boundedPlan = {
      kind: 'bounded',
      on: 'source',
      usePort: false,
      boundPercent: 125,
      counted: 'all',
      slots: [0, 1],
    };
    const rows: readonly (readonly [(string | number)[], unknown, string])[] = [
      [['services', 0, 'slot'], 4, 'services[0].slot: beyond'],
      [
        ['services', 0, 'listen', 0, 'port'],
        0,
        'services[0].listen[0].port: every port (0) is for services with persistence or a mark',
      ],
      [
        ['services', 0, 'listen', 0, 'address'],
        '1.2.3',
        'services[0].listen[0].address: must be an IPv4 or IPv6',
      ],
      [
        ['services', 0, 'listen', 0, 'protocol'],
        'dccp',
        'services[0].listen[0].protocol: must be one of tcp, udp, sctp',
      ],
      [['services', 0, 'servers', 1, 'weight'], 65536, 'services[0].servers[1].weight: must be'],
      [['services', 0, 'servers', 1, 'address'], '::1', 'services[0].servers[1].address: not of the service'],
      [['services', 0, 'servers', 1, 'slot'], 0, 'services[0].servers[1].slot: used twice'],
      [['services', 0, 'plan', 'loop'], [0, 2], 'services[0].plan: names a server index'],
      [['services', 0, 'plan', 'loop'], [0.5], 'services[0].plan.loop[0]: must be a server index'],
      [
        ['services', 0, 'plan'],
        { ...leastPlan, factors: [1] },
        'services[0].plan.factors: must be one for each server',
      ],
      [
        ['services', 0, 'plan'],
        { ...leastPlan, factors: [1, 0] },
        'services[0].plan.factors[1]: must be a whole number',
      ],
      [
        ['services', 0, 'plan'],
        { ...leastPlan, factors: [1, 65_536] },
        'services[0].plan.factors[1]: must be a whole number',
      ],
      [
        ['services', 0, 'plan'],
        { ...boundedPlan, boundPercent: 99 },
        'services[0].plan.boundPercent: must be a whole number from 100',
      ],
      [['services', 0, 'plan'], { ...boundedPlan, slots: [2] }, 'services[0].plan: names a server index'],
      [
        ['services', 0, 'plan'],
        { ...boundedPlan, counted: 'none' },
        'services[0].plan.counted: must be one of active, all',
      ],
      [['services', 0, 'plan', 'kind'], 'magic', 'services[0].plan.kind: must be one of cycle, hash, least'],
      [['services', 0, 'timeouts', 'udp'], 0, 'services[0].timeouts.udp: must be a whole number from 1'],
      [['services', 0, 'persistence'], 300, 'services[0].persistence: must be an object'],
      [
        ['services', 0, 'persistence'],
        { timeoutSeconds: 0, prefixLength: 32 },
        'services[0].persistence.timeoutSeconds: must be a whole number from 1 to 2678400',
      ],
      [
        ['services', 0, 'persistence'],
        { timeoutSeconds: 1, prefixLength: 33 },
        'services[0].persistence.prefixLength: must be 1..32',
      ],
      [
        ['services', 0, 'persistence'],
        { timeoutSeconds: 1, prefixLength: 0, mask: 'ffff::' },
        'services[0].persistence.mask: must be an IPv4 mask',
      ],
      [['services', 0, 'mark'], 0, 'services[0].mark: must be a whole number from 1 to 4294967295'],
      [['services', 0, 'onePacket'], 1, 'services[0].onePacket: must be true or false'],
      [['services', 0, 'onePacket'], true, 'services[0].listen[0].protocol: a one-packet service is UDP'],
      [['expireQuiescentTemplate'], 'no', 'expireQuiescentTemplate: must be true or false'],
      [['onePacketReplies'], 'drop', 'onePacketReplies: must be one of translate, pass'],
      [['removedServer'], 'explode', 'removedServer: must be one of reset, silent'],
    ];
    for (const [path, value, message] of rows) {
      expect(() => engine.publish(change(path, value) as never), message).toThrow(message);
    }
    expect(engine.publish(oneService)).toBe(1);
    engine.close();
  });
});
