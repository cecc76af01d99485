// SPDX-License-Identifier: Apache-2.0
/** sh, mh and dh against the kernel's vectors: every lookup, every Maglev table, the hash itself. */
import { describe, expect, test } from 'vitest';
import type { HashPlan } from '../../../src/model/plan.js';
import { dh } from '../../../src/scheduler/dh.js';
import { foldAddress } from '../../../src/scheduler/fold.js';
import { schedulerFor, withLastWeights } from '../../../src/scheduler/index.js';
import { maglevSetup, maglevTable, mh } from '../../../src/scheduler/mh.js';
import { sh } from '../../../src/scheduler/sh.js';
import { hashSlot, pick } from '../../../src/scheduler/simulate.js';
import { siphash13 } from '../../../src/scheduler/siphash.js';
import {
  address,
  anyClient,
  idle,
  letters,
  vectors,
  vectorsText,
  type HashVectorServer,
  type NamedServer,
} from './support.js';

describe("the kernel's lookups", () => {
  const cases = vectors.hash.filter(({ kind }) => kind !== 'dh');
  const dhCases = vectors.hash.filter(({ kind }) => kind === 'dh');

  test('there are vectors', () => {
    expect(new Set(cases.map(({ kind }) => kind))).toEqual(new Set(['sh', 'mh']));
    expect([cases.length, dhCases.length]).toEqual([11, 1]);
  });

  test.each(cases)(
    '$kind $flags over $servers',
    ({ kind, flags, servers: rows, lookups_addr_port_bucket_pick }) => {
      const servers = rows.map(serverOf);
      const usePort = lookups_addr_port_bucket_pick.some(([, port]) => port !== 0);
      const plan = (kind === 'sh' ? sh : mh)(usePort, flags.includes('fallback')).plan(servers) as HashPlan;
      for (const [text, port, bucket, name] of lookups_addr_port_bucket_pick) {
        const client = { address: address(text), port };
        expect([text, hashSlot(plan, foldAddress(client.address) + port)]).toEqual([text, bucket]);
        const { server } = pick(plan, servers.map(idle), client);
        expect([text, server === null ? null : servers[server]?.name]).toEqual([text, name]);
      }
    },
  );

  test.each(dhCases)('dh over $servers', ({ servers: rows, lookups_addr_port_bucket_pick }) => {
    const servers = rows.map(serverOf);
    const plan = dh.plan(servers) as HashPlan;
    for (const [text, , bucket, name] of lookups_addr_port_bucket_pick) {
      const destination = address(text);
      expect([text, hashSlot(plan, foldAddress(destination))]).toEqual([text, bucket]);
      const { server } = pick(plan, servers.map(idle), anyClient, 0, { destination });
      expect([text, server === null ? null : servers[server]?.name]).toEqual([text, name]);
    }
  });
});

const serverOf = ([name, text, port, weight, lastWeight]: HashVectorServer): NamedServer => ({
  name,
  address: address(text),
  port,
  weight,
  lastWeight,
});

describe('Maglev tables', () => {
  test.each(vectors.mh_tables)('weights $weights_ABC, index $tab_index', (vector) => {
    const [A, B, C] = vector.weights_ABC;
    const servers = letters({ A, B, C });
    const setup = maglevSetup(servers, vector.tab_index).map(({ server, ...rest }) => ({
      server: servers[server]?.name,
      ...rest,
    }));
    expect(setup).toEqual(vector.setup_list_order);
    const names = maglevTable(servers, vector.tab_index).map((slot) => servers[slot]?.name ?? '-');
    expect(names).toHaveLength(vector.size);
    expect(names.slice(0, 32).join('')).toBe(vector.first32);
    expect(crc32(names.join(''))).toBe(vector.crc32_of_all_slot_letters);
    const counts = ['A', 'B', 'C'].map((name) => names.filter((slot) => slot === name).length);
    expect(counts).toEqual([vector.slots['A'], vector.slots['B'], vector.slots['C']]);
  });

  const slotsOf = (servers: readonly NamedServer[]): (string | undefined)[] =>
    maglevTable(servers, 12).map((slot) => servers[slot]?.name);

  test('removing B moves 2 slots that were not its own', () => {
    const before = slotsOf(letters({ A: 1, B: 1, C: 1 }));
    const after = slotsOf(letters({ A: 1, C: 1 }));
    expect(before.filter((name, slot) => name !== 'B' && name !== after[slot])).toHaveLength(2);
  });

  test('the order of the configuration moves 7 slots, no more', () => {
    const servers = letters({ A: 1, B: 1, C: 1 });
    const [one, other] = [slotsOf(servers), slotsOf(servers.toReversed())];
    expect(one.filter((name, slot) => name !== other[slot])).toHaveLength(7);
  });

  test('weights of 1000:1 are shifted to turns of 62:1', () => {
    const turns = maglevSetup(letters({ A: 1, B: 1000 }), 12).map((setup) => setup.turns);
    expect(turns).toEqual([62, 1]);
  });

  test('a thousand servers take less than 200 ms of a processor', () => {
    const many = Array.from({ length: 1000 }, (_, index) => ({
      address: address(`10.1.${index >> 8}.${index & 255}`),
      port: 80,
      weight: 1 + (index % 7),
    }));
    // Not the clock, which other processes move, and the best of five, because of the compiler and the collector.
    const milliseconds = Array.from({ length: 5 }, () => {
      const before = process.cpuUsage();
      maglevTable(many, 12);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1_000;
    });
    expect(Math.min(...milliseconds)).toBeLessThan(200);
    expect(new Set(maglevTable(many, 12)).has(-1)).toBe(false);
  });

  test('no servers, or none that ever had a weight, leave every slot empty', () => {
    expect(new Set(maglevTable([], 12))).toEqual(new Set([-1]));
    expect(new Set(maglevTable(letters({ A: 0 }), 12))).toEqual(new Set([-1]));
  });
});

describe('mh remembers a drained server', () => {
  const whole = letters({ A: 1, B: 2, C: 1 });
  const drained = whole.map((server) => (server.name === 'B' ? { ...server, weight: 0 } : server));
  const first = mh(false, false).plan(whole) as HashPlan;

  test('draining B changes no slot', () => {
    const second = mh(false, false).plan(drained, { plan: first, servers: whole, cursor: 0 });
    expect(second).toEqual(first);
  });

  test('not even after a second reload', () => {
    const remembered = withLastWeights(drained, whole);
    const third = mh(false, false).plan(drained, { plan: first, servers: remembered, cursor: 0 });
    expect(third).toEqual(first);
  });

  test('a server added with weight 0 gets no slot', () => {
    const added = [...whole, ...letters({ D: 0 })];
    const plan = mh(false, false).plan(added, { plan: first, servers: whole, cursor: 0 }) as HashPlan;
    expect(plan.slots).toEqual(first.slots);
  });
});

describe('sh', () => {
  test('deals neighbouring buckets by weight, one to a drained server, newest first', () => {
    const servers = letters({ A: 3, B: 0, C: 2 });
    const { slots } = sh(false, false).plan(servers) as HashPlan;
    const names = slots.slice(0, 12).map((slot) => servers[slot]?.name);
    expect(names.join('')).toBe('CCBAAACCBAAA');
    expect(slots).toHaveLength(256);
  });

  test('without servers every bucket is empty', () => {
    const plan = sh(true, true).plan([]);
    expect(pick(plan, [], { address: address('10.0.0.1'), port: 1 }).server).toBeNull();
  });

  test('flags reach the plan, and those of another scheduler do not', () => {
    const plan = (name: 'sh' | 'mh', ...flags: ('sh-port' | 'mh-port' | 'mh-fallback')[]) =>
      schedulerFor(name, flags).plan([]);
    expect(plan('sh', 'sh-port', 'mh-fallback')).toMatchObject({ usePort: true, fallback: false });
    expect(plan('mh', 'sh-port', 'mh-fallback')).toMatchObject({ usePort: false, fallback: true });
  });
});

describe('dh', () => {
  test('deals single buckets, newest first, whatever the weights', () => {
    const servers = letters({ A: 9, B: 0, C: 2 });
    const { slots } = dh.plan(servers) as HashPlan;
    expect(slots.slice(0, 6).map((slot) => servers[slot]?.name)).toEqual(['C', 'B', 'A', 'C', 'B', 'A']);
    expect(slots).toHaveLength(256);
  });

  test('has no second choice: the VIP of a drained or overloaded server is refused', () => {
    const servers = letters({ A: 1, B: 0, C: 1 });
    const ask = (vip: string, overloaded = '') => {
      const live = servers.map((server) => ({ ...idle(server), overloaded: server.name === overloaded }));
      const { server } = pick(dh.plan(servers), live, anyClient, 0, { destination: address(vip) });
      return server === null ? '-' : servers[server]?.name;
    };
    expect([ask('192.0.2.10'), ask('192.0.2.11'), ask('192.0.2.10', 'C')]).toEqual(['C', '-', '-']);
  });

  test('without servers every bucket is empty', () => {
    expect(new Set((dh.plan([]) as HashPlan).slots)).toEqual(new Set([-1]));
  });
});

describe('SipHash-1-3', () => {
  // Read as text: the keys do not fit a double.
  const rows = [
    ...vectorsText.matchAll(
      /"x":\s*(\d+),\s*"key0":\s*(\d+),\s*"key1":\s*(\d+),\s*"out":\s*"([0-9a-f]{8})"/g,
    ),
  ].map(([, x = '', key0 = '', key1 = '', out = '']) => ({ x, key0, key1, out }));

  test('there are vectors', () => {
    expect(rows).toHaveLength(4);
  });

  test.each(rows)('of $x is $out', ({ x, key0, key1, out }) => {
    expect(siphash13(Number(x), BigInt(key0), BigInt(key1)).toString(16).padStart(8, '0')).toBe(out);
  });
});

test('an IPv6 address folds to the XOR of its words', () => {
  expect(foldAddress(address('2001:db8:1:2:3:4:5:6'))).toBe(
    (0x20010db8 ^ 0x00010002 ^ 0x00030004 ^ 0x00050006) >>> 0,
  );
  expect(foldAddress(address('198.51.100.7'))).toBe(0xc6336407);
});

/** CRC-32 (IEEE 802.3), bit by bit; zlib has it only in later Node 20 releases. */
function crc32(text: string): string {
  let crc = ~0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (~crc >>> 0).toString(16).padStart(8, '0');
}
