// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import type { CheckEnds, CheckLeads } from '../../../src/dataplane/dataplane.js';
import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { CheckWays } from '../../../src/director/check-ways.js';
import { Reconciler } from '../../../src/director/reconciler.js';
import type { Detour } from '../../../src/health/state.js';
import { ManualClock } from '../../../src/director/manual-clock.js';
import { address } from '../health/support/checks.js';
import { emptyModel, idOf, modelWith, web } from './models.js';
import { check } from './played.js';

const through = { ...check, through: 'vip' as const, source: address('10.118.0.1') };

/** The slow reference of the dataplane's table: what each port leads to, and what was ended. */
class Leads implements CheckLeads {
  readonly open_ = new Map<number, string>();
  readonly ended: CheckEnds[] = [];
  isWilling = true;
  lead(port: number, service: number, server: number): boolean {
    if (!this.isWilling || this.open_.has(port)) return false;
    this.open_.set(port, `${service}/${server}`);
    return true;
  }
  end(ends: CheckEnds): void {
    this.ended.push(ends);
    if (!this.open_.delete(ends.sourcePort)) throw new Error(`port ${ends.sourcePort} was not open`);
  }
  open(transport: string, source: string, port: number): number {
    expect([transport, source, this.open_.has(port)]).toEqual(['tcp', '10.118.0.1', true]);
    return port;
  }
}

function setUp(random = 0) {
  const leads = new Leads();
  const clock = new ManualClock();
  const reconciler = new Reconciler(new FakeDataplane());
  reconciler.begin(modelWith(web('a b', { health: [through] })));
  const ways = new CheckWays({
    leads,
    clock,
    random: () => random,
    placeOf: (it) => reconciler.running.placeOf(it),
  });
  const way = (server: string): Detour | null =>
    ways.connect({ service: 'web', server: idOf(server), port: 8080, check: through });
  const slotOf = (server: string): string => {
    const slots = reconciler.running.slotsOf('web', idOf(server));
    return `${slots?.serviceSlot ?? -1}/${slots?.serverSlot ?? -1}`;
  };
  return { leads, clock, reconciler, ways, way, slotOf };
}

describe('ways through the VIP', () => {
  it('lead to the server under test, each from a port of its own', () => {
    const { leads, way, slotOf } = setUp();
    const [a, b] = [way('a'), way('b')];
    expect(a?.destination).toEqual({ address: '10.9.0.1', port: 80 });
    expect([a?.open(), b?.open()]).toEqual([1024, 1025]);
    expect([...leads.open_]).toEqual([
      [1024, slotOf('a')],
      [1025, slotOf('b')],
    ]);
  });

  it('are none for a server or service that is not there, and for a check that has no source', () => {
    const { ways, way, reconciler } = setUp();
    expect(way('c')).toBeNull();
    const wanderer = { service: 'web', server: idOf('a'), port: 8080, check: through };
    expect(ways.connect({ ...wanderer, check: { ...through, source: null } })).toBeNull();
    expect(ways.connect({ ...wanderer, check: { ...through, port: 81 } })).toBeNull();
    reconciler.apply(emptyModel);
    expect(way('a')).toBeNull();
  });

  it('follow a server whose service changes', () => {
    const { leads, way, reconciler, slotOf } = setUp();
    reconciler.apply(
      modelWith(web('c', { name: 'other', listen: 'tcp://10.9.0.2:80' }), web('b', { health: [through] })),
    );
    expect(way('a')).toBeNull();
    way('b');
    expect([...leads.open_.values()]).toEqual([slotOf('b')]);
  });

  it('rest for two seconds after the check, then they are ended, in one go where they can be', () => {
    const { leads, clock, way } = setUp();
    way('a')?.release();
    clock.turnTo(1500);
    way('b')?.release();
    clock.turnTo(1999);
    expect(leads.ended).toEqual([]);
    clock.turnTo(2000);
    expect(leads.ended).toEqual([
      {
        protocol: 'tcp',
        source: '10.118.0.1',
        sourcePort: 1024,
        virtualAddress: '10.9.0.1',
        virtualPort: 80,
      },
    ]);
    clock.turnTo(3500);
    expect(leads.ended.map(({ sourcePort }) => sourcePort)).toEqual([1024, 1025]);
    expect(leads.open_.size).toBe(0);
  });

  it('take ports in turn from a random one on, and none that is under way or rests', () => {
    const { leads, clock, way } = setUp(0.999999);
    const held = way('a');
    expect([held?.open(), way('b')?.open()]).toEqual([65535, 1024]);
    for (let round = 0; round < 64_510; round += 1) way('a')?.release();
    expect(way('a')).toBeNull(); // 64,512 ports, and all of them are taken
    clock.turnTo(2000);
    expect(leads.open_.size).toBe(2);
    expect(way('a')?.open()).toBe(1025);
    held?.release();
    clock.turnTo(4000);
    expect(leads.open_.has(65535)).toBe(false);
  });

  it('cost no port where the dataplane does not lead', () => {
    const { leads, way, clock } = setUp();
    leads.isWilling = false;
    for (let round = 0; round < 70_000; round += 1) expect(way('a')).toBeNull();
    leads.isWilling = true;
    const ways = Array.from({ length: 64_512 }, () => way('a'));
    expect(ways).not.toContain(null);
    for (const one of ways) one?.release();
    clock.turnTo(2000);
    expect(leads.open_.size).toBe(0);
    expect(leads.ended).toHaveLength(64_512); // and nothing is ended that was never led
  });

  it('are left as they are once it is closed', () => {
    const { leads, clock, way, ways } = setUp();
    way('a')?.release();
    ways.close();
    clock.turnTo(10_000);
    expect(leads.ended).toEqual([]);
  });
});
