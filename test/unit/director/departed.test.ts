// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { departedAfter, lingeringVips } from '../../../src/director/departed.js';
import type { HostPlumbing } from '../../../src/director/director-parts.js';
import { Director } from '../../../src/director/director.js';
import { virtualService, type Model, type VirtualService } from '../../../src/model/index.js';
import { emptyModel } from './models.js';
import { HandClock } from './played.js';

const service = (name: string, listen: string): VirtualService =>
  virtualService({ name, listen, servers: ['10.2.1.2:80'] });
const [a, b, c] = [
  service('a', 'tcp://10.9.0.1:80'),
  service('b', 'tcp://10.9.0.2:80'),
  service('c', 'tcp://10.9.0.2:443'),
];

describe('a service that leaves', () => {
  it('has departed while a server of it has connections, until it is back', () => {
    const busy = (): boolean => true;
    expect(departedAfter([], [a, b], [a], busy)).toEqual([b]);
    expect(departedAfter([b], [a], [a, b], busy)).toEqual([]);
    expect(departedAfter([], [a, b], [a], () => false)).toEqual([]);
  });

  it('is forgotten when its last connection has ended, and the list stays the very same when none has', () => {
    const departed = [a, b];
    expect(departedAfter(departed, [], [], (one) => one === b)).toEqual([b]);
    expect(departedAfter(departed, [], [], () => true)).toBe(departed);
  });

  it('leaves addresses behind at which no other service listens', () => {
    expect(lingeringVips([a, b], [c])).toEqual(['10.9.0.1']);
    expect(lingeringVips([b, c], [])).toEqual(['10.9.0.2']);
  });
});

class Host implements HostPlumbing {
  readonly told: string[] = [];
  update(model: Model): Promise<void> {
    this.told.push(model.services.map(({ name }) => name).join(','));
    return Promise.resolve();
  }
  trouble = (): null => null;
  close = (): Promise<void> => Promise.resolve();
}

describe('a director', () => {
  const started = async () => {
    const dataplane = new FakeDataplane();
    const [clock, host] = [new HandClock(), new Host()];
    const director = await Director.start(
      { dataplane, clock, prepareHost: () => Promise.resolve(host) },
      { ...emptyModel, services: [a, b] },
    );
    const slotOfB = dataplane.published[0]?.services[1]?.servers[0]?.slot ?? -1;
    return { dataplane, clock, host, director, slotOfB };
  };

  it('has packets led here for connections of a service that is gone, until the last has ended', async () => {
    const { dataplane, clock, host, director, slotOfB } = await started();
    dataplane.setServer(slotOfB, { inactive: 1 });
    await director.apply({ ...emptyModel, services: [a] });
    expect(host.told).toEqual(['a,b']);
    expect(dataplane.published.at(-1)?.lingeringVips).toEqual(['10.9.0.2']);
    await clock.turn(60_000);
    expect(host.told).toHaveLength(1);

    dataplane.setServer(slotOfB, { inactive: 0 });
    await clock.turn(2_000);
    await director.apply(director.model); // waits for its turn, behind what the clock began
    expect(host.told.slice(1)).toEqual(['a', 'a']);
    expect(dataplane.published.at(-1)?.lingeringVips).toBeUndefined();
    expect(director.events.after(0).events.map(({ text }) => text)).toContain(
      'the last connection of b has ended, which is not configured any more',
    );
    expect(clock.pending).toBe(0);
    await director.close();
  });

  it('withdraws the route of a service without connections at once', async () => {
    const { clock, host, director } = await started();
    await director.apply({ ...emptyModel, services: [a] });
    expect(host.told).toEqual(['a']);
    expect(clock.pending).toBe(0);
    await director.close();
  });

  it('looks no longer after a service that has come back', async () => {
    const { dataplane, clock, host, director, slotOfB } = await started();
    dataplane.setServer(slotOfB, { active: 1 });
    await director.apply({ ...emptyModel, services: [a] });
    await director.apply({ ...emptyModel, services: [b, a] });
    expect(host.told).toEqual(['a,b', 'b,a']);
    expect(clock.pending).toBe(0);
    await director.close();
  });
});
