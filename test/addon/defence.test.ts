// SPDX-License-Identifier: Apache-2.0
/** Sysctls from the configuration's text to packets, through the addon; what each does is the native tests' to say. */
import { describe, expect, it } from 'vitest';

import { Director, type MemoryDirector } from '../../src/director/director.js';
import { addon, memoryOptions, oneService, syn } from './support.js';

const service = (servers: string): string =>
  `services: [{ name: a, listen: tcp://192.0.2.10:80, scheduler: rr, servers: [${servers}] }]`;
const both = service('10.0.0.1:80, 10.0.0.2:80');

function newcomers(director: MemoryDirector, count: number, nowMs = 0): string {
  return Array.from({ length: count }, (_, n) => {
    const packet = syn(`198.51.100.${n + 1}`, 1000, '192.0.2.10', 80);
    return director.process({ packet, nowMs }).verdict;
  }).join(' ');
}

describe('a director over the memory device', () => {
  it('drops every second newcomer with drop_packet 3 and am_droprate 2, until a reload', async () => {
    const director = Director.memory(`${both}\nipvs: { drop_packet: 3, am_droprate: 2 }`);
    expect(newcomers(director, 4)).toBe('drop_packet forwarded drop_packet forwarded');
    await director.apply(both);
    expect(newcomers(director, 4)).toBe('forwarded forwarded forwarded forwarded');
    expect(director.counters().queues[0]?.dropped['drop_packet']).toBe(2);
    await director.close();
  });

  it('forgets handshakes with drop_entry 3, a 32nd of the table a second', async () => {
    const director = Director.memory(`${both}\nipvs: { drop_entry: 3 }\nflows: { capacity: 1024 }`, {
      hashKey: new Uint8Array(16),
    });
    for (let second = 0; second < 5; second += 1) newcomers(director, 200, 1000);
    expect(director.counters().flowTable.flows).toBe(200);
    for (let second = 1; second <= 20; second += 1) director.expire(1000 + second * 1000);
    const { flowTable, queues } = director.counters();
    expect(flowTable.flows).toBeLessThan(180);
    expect(queues[0]?.entriesDropped).toBe(200 - flowTable.flows);
    expect(flowTable.expired).toBe(0);
    await director.close();
  });

  it('ends the connections of a deleted server with expire_nodest_conn 1, and keeps them without', async () => {
    for (const [ipvs, left] of [
      ['ipvs: { expire_nodest_conn: 1 }', 5],
      ['ipvs: { expire_nodest_conn: 0 }', 10],
      ['', 10],
    ] as const) {
      const director = Director.memory(`${both}\n${ipvs}`);
      newcomers(director, 10);
      await director.apply(`${service('10.0.0.1:80')}\n${ipvs}`);
      const { flowTable, queues } = director.counters();
      expect([ipvs, flowTable.flows, queues[0]?.orphansEnded]).toEqual([ipvs, left, 10 - left]);
      await director.close();
    }
  });
});

describe('the addon', () => {
  it('refuses a policy or a defence of the wrong kind by its path', () => {
    const engine = new addon.Engine(memoryOptions);
    const publish = (policy: unknown) => () => engine.publish({ ...oneService, policy } as never);
    expect(publish(null)).toThrow('policy: must be an object');
    expect(publish({ reuseClosed: 1 })).toThrow('policy.reuseClosed: must be true or false');
    expect(publish({ reuseClosed: true })).toThrow('policy.expireNodest: must be true or false');
    const off = { dropRate: 0, countAnew: false, dropEntries: false, secureTcp: false };
    for (const [change, message] of [
      [{ dropRate: -1 }, 'dropRate: must be a whole number from 0 to 2147483647'],
      [{ dropRate: 2 ** 31 }, 'dropRate: must be a whole number'],
      [{ countAnew: 'no' }, 'countAnew: must be true or false'],
      [{ dropEntries: undefined }, 'dropEntries: must be true or false'],
      [{ secureTcp: 1 }, 'secureTcp: must be true or false'],
    ] as const) {
      expect(() => engine.defend({ ...off, ...change } as never)).toThrow(message);
    }
    expect(() => engine.defend(null as never)).toThrow('argument: must be an object');
    engine.defend(off);
    engine.close();
    expect(() => engine.defend(off)).toThrow('engine: is closed');
  });
});
