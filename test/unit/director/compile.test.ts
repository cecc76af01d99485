// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import type { SnapshotSpec } from '../../../src/dataplane/dataplane.js';
import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { compile, nothingCompiled, snapshotOf, type Compiled } from '../../../src/director/compile.js';
import type { PlacedService } from '../../../src/director/report.js';
import type { Model } from '../../../src/model/index.js';
import { stepAt } from '../../../src/scheduler/scheduler.js';
import { idOf, modelWith, web } from './models.js';

interface Seen extends Compiled {
  readonly snapshot: SnapshotSpec;
  readonly placed: readonly PlacedService[];
}

const seen = (compiled: Compiled): Seen => ({
  ...compiled,
  snapshot: snapshotOf(compiled),
  placed: [...compiled.services.values()].map(({ placed }) => placed),
});

const limited = () => new FakeDataplane({ limits: { serverSlots: 8, serviceSlots: 8 } });

/** Publishes into a fake and answers with what was compiled. */
function publish(dataplane: FakeDataplane, model: Model, before: Compiled = nothingCompiled): Seen {
  const { compiled, delta } = compile(model, before, dataplane);
  if (before === nothingCompiled) dataplane.publish(snapshotOf(compiled));
  else dataplane.update(delta);
  return seen(compiled);
}

/** The servers, by their letter, that `count` new connections of the first service get. */
function picks({ snapshot }: Seen, count: number): string {
  const service = snapshot.services[0];
  if (service?.plan.kind !== 'cycle') throw new Error('the first service has no cycle');
  const { plan, servers } = service;
  const letterOf = (step: number): string => {
    const server = servers[stepAt(plan, step) ?? -1];
    return String.fromCharCode(Number(server?.address.split('.')[3]));
  };
  return Array.from({ length: count }, (_, step) => letterOf(step)).join('');
}

describe('a compiled model', () => {
  it('gives the dataplane every listener, server, weight, threshold and timeout', () => {
    const { snapshot } = publish(
      limited(),
      modelWith(web('a:5 b:3', { listen: ['tcp://10.9.0.1:80', 'tcp://10.9.0.1:81'], timeouts: { udp: 7 } })),
    );
    expect(snapshot).toMatchObject({
      removedServer: 'reset',
      services: [
        {
          slot: 0,
          listen: [
            { protocol: 'tcp', address: '10.9.0.1', port: 80 },
            { protocol: 'tcp', address: '10.9.0.1', port: 81 },
          ],
          servers: [
            { slot: 0, address: '10.2.1.97', port: 8080, weight: 5, upperThreshold: 0, lowerThreshold: 0 },
            { slot: 1, address: '10.2.1.98', port: 8080, weight: 3 },
          ],
          timeouts: { tcpEstablished: 900, udp: 7 },
        },
      ],
    });
  });

  it('tells the dataplane what belongs together, and nothing of services that are plain', () => {
    const grouped = web('a', {
      name: 'group',
      listen: 'udp://10.9.0.1',
      persistence: { prefixLength: 24 },
      mark: 7,
      onePacket: true,
    });
    const { snapshot, placed } = publish(new FakeDataplane(), modelWith(web('a'), grouped));
    expect(snapshot.onePacketReplies).toBe('translate');
    expect(snapshot.services[0]).not.toHaveProperty('persistence');
    expect(snapshot.services[1]).toMatchObject({
      listen: [{ protocol: 'udp', address: '10.9.0.1', port: 0 }],
      persistence: { timeoutSeconds: 360, prefixLength: 24 },
      mark: 7,
      onePacket: true,
    });
    expect(placed[1]).toMatchObject({ persistence: { prefixLength: 24 }, mark: 7, onePacket: true });
  });

  it('keeps a server slot from others while a client is remembered for it', () => {
    const dataplane = new FakeDataplane({ limits: { serverSlots: 1, serviceSlots: 4 } });
    const first = publish(dataplane, modelWith(web('a')));
    dataplane.setServer(0, { persistent: 1 });
    expect(() => publish(dataplane, modelWith(web('b')), first)).toThrow(/^servers: must fit/);
    dataplane.setServer(0, { persistent: 0 });
    expect(publish(dataplane, modelWith(web('b')), first).placed[0]?.servers[0]?.slot).toBe(0);
  });

  it('says which services have a helper, and nothing of those without', () => {
    const { snapshot } = publish(
      limited(),
      modelWith(web('a', { helper: 'ftp' }), web('a', { name: 'other', listen: 'tcp://10.9.0.1:81' })),
    );
    expect(snapshot.services.map((service) => service.helper)).toEqual(['ftp', undefined]);
  });

  it('gives the same server in two services two slots: their counters are two', () => {
    const dns = web('a', { name: 'dns', listen: 'udp://10.9.0.1:53' });
    const { placed } = publish(new FakeDataplane(), modelWith(web('a'), dns));
    expect(placed.map(({ servers }) => servers)).toEqual([
      [{ server: idOf('a'), slot: 0, weight: 1 }],
      [{ server: idOf('a'), slot: 1, weight: 1 }],
    ]);
  });

  it('lets an untouched service go on where its cycle was when a neighbour changes', () => {
    const dataplane = new FakeDataplane();
    const other = (servers: string) => web(servers, { name: 'dns', listen: 'udp://10.9.0.1:53' });
    const first = publish(dataplane, modelWith(web('a:3 b:1'), other('c')));
    const whole = picks(first, 32);
    const firstPlan = first.snapshot.services[0]?.plan;
    expect(first.snapshot.services[0]).not.toHaveProperty('continues');
    let compiled = first;
    let taken = 0;
    for (const [steps, servers] of [
      [3, 'c d'],
      [1, 'd'],
      [6, 'c'],
      [0, 'd'],
    ] as const) {
      taken += steps;
      dataplane.setService(0, { cursor: taken });
      compiled = publish(dataplane, modelWith(web('a:3 b:1'), other(servers)), compiled);
      const [service] = compiled.snapshot.services;
      expect(service, `after ${taken} connections`).toMatchObject({ continues: true, plan: firstPlan });
      const { cursor = 0 } = dataplane.counters().services.find(({ slot }) => slot === 0) ?? {};
      expect(picks(compiled, 16 + cursor).slice(cursor)).toBe(whole.slice(taken, taken + 16));
    }
  });

  it('tells the scheduler how far the old plan had come when the servers change', () => {
    const dataplane = new FakeDataplane();
    const first = publish(dataplane, modelWith(web('a b c', { scheduler: 'rr' })));
    const next = picks(first, 2).slice(1);
    dataplane.setService(0, { cursor: 1 });
    const second = publish(dataplane, modelWith(web('a b c z:0', { scheduler: 'rr' })), first);
    expect(picks(second, 4).replace('z', '')[0]).toBe(next);
  });

  it('starts a new plan when the scheduler is another one', () => {
    const dataplane = new FakeDataplane();
    const first = publish(dataplane, modelWith(web('a b', { scheduler: 'rr' })));
    dataplane.setService(0, { cursor: 1 });
    const second = publish(dataplane, modelWith(web('a b')), first);
    expect(second.snapshot.services[0]).not.toHaveProperty('continues');
    const alone = publish(new FakeDataplane(), modelWith(web('a b')));
    expect(second.snapshot.services[0]?.plan).toEqual(alone.snapshot.services[0]?.plan);
  });

  it('keeps a service slot from others while removed servers of it still carry connections', () => {
    const dataplane = new FakeDataplane({ limits: { serverSlots: 9, serviceSlots: 1 } });
    const first = publish(dataplane, modelWith(web('a')));
    dataplane.setServer(0, { active: 1 });
    const away = publish(dataplane, modelWith(), first);
    const dns = modelWith(web('a', { name: 'dns' }));
    expect(() => publish(dataplane, dns, away)).toThrow(/^services: must fit .* still carry connections/);
    dataplane.setServer(0, { active: 0 });
    expect(publish(dataplane, dns, away).placed[0]?.slot).toBe(0);
  });
});
