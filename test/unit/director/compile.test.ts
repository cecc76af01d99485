// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { compile, nothingCompiled, resume, type Compiled } from '../../../src/director/compile.js';
import type { CyclePlan, Model } from '../../../src/model/index.js';
import { stepAt } from '../../../src/scheduler/scheduler.js';
import { idOf, modelWith, web } from './models.js';

/** Publishes into a fake and answers with what was compiled. */
function publish(dataplane: FakeDataplane, model: Model, before: Compiled = nothingCompiled): Compiled {
  const compiled = compile(model, before, dataplane.counters(), dataplane.limits);
  dataplane.publish(compiled.snapshot);
  return compiled;
}

/** The servers, by their letter, that `count` new connections of the first service get. */
function picks({ snapshot }: Compiled, count: number): string {
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
    const { snapshot } = compile(
      modelWith(web('a:5 b:3', { listen: ['tcp://10.9.0.1:80', 'tcp://10.9.0.1:81'], timeouts: { udp: 7 } })),
      nothingCompiled,
      new FakeDataplane().counters(),
      { serverSlots: 8, serviceSlots: 8 },
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
    const { snapshot } = compile(
      modelWith(web('a', { helper: 'ftp' }), web('a', { name: 'other', listen: 'tcp://10.9.0.1:81' })),
      nothingCompiled,
      new FakeDataplane().counters(),
      { serverSlots: 8, serviceSlots: 8 },
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
    const whole = picks(first, 24);
    let compiled = first;
    let taken = 0;
    for (const [steps, servers] of [
      [3, 'c d'],
      [1, 'd'],
      [6, 'c'],
      [0, 'd'],
    ] as const) {
      taken += steps;
      dataplane.setService(0, { cursor: steps });
      compiled = publish(dataplane, modelWith(web('a:3 b:1'), other(servers)), compiled);
      expect(picks(compiled, 8), `after ${taken} connections`).toBe(whole.slice(taken, taken + 8));
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

describe('a resumed cycle', () => {
  const cycle: fc.Arbitrary<CyclePlan> = fc.record({
    kind: fc.constant('cycle' as const),
    lead: fc.array(fc.nat({ max: 9 }), { maxLength: 6 }),
    loop: fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 6 }),
  });

  it('goes on exactly where the whole one would', () => {
    fc.assert(
      fc.property(cycle, fc.nat({ max: 30 }), (plan, steps) => {
        const rest = resume(plan, steps) as CyclePlan;
        for (let step = 0; step < 20; step += 1) expect(stepAt(rest, step)).toBe(stepAt(plan, steps + step));
      }),
    );
  });

  it('is the plan itself for plans without a position', () => {
    const least = {
      kind: 'least',
      among: 'all',
      activeCost: 1,
      inactiveCost: 0,
      constant: 0,
      weighted: false,
      order: [0],
    } as const;
    expect(resume(least, 5)).toBe(least);
    const empty = { kind: 'cycle', lead: [], loop: [] } as const;
    expect(resume(empty, 5)).toBe(empty);
  });
});
