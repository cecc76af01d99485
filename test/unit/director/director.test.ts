// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { describeChange } from '../../../src/director/diff.js';
import { tunOptions } from '../../../src/director/director-options.js';
import type { HostPlumbing } from '../../../src/director/director-parts.js';
import { Director } from '../../../src/director/director.js';
import type { Model } from '../../../src/model/index.js';
import { emptyModel, idOf, modelWith, web } from './models.js';

/** A host that writes down what it is told, and refuses when told to. */
class FakeHost implements HostPlumbing {
  readonly told: string[] = [];
  refuse: Error | undefined;

  update(model: Model): Promise<void> {
    this.told.push(`update ${model.services.map(({ name }) => name).join(',')}`);
    return this.refuse === undefined ? Promise.resolve() : Promise.reject(this.refuse);
  }

  trouble(): string | null {
    return this.refuse?.message ?? null;
  }

  close(): Promise<void> {
    this.told.push('close');
    return this.refuse === undefined ? Promise.resolve() : Promise.reject(this.refuse);
  }
}

async function started(
  model: Model,
): Promise<{ director: Director; dataplane: FakeDataplane; host: FakeHost }> {
  const dataplane = new FakeDataplane();
  const host = new FakeHost();
  const director = await Director.start({ dataplane, prepareHost: () => Promise.resolve(host) }, model);
  return { director, dataplane, host };
}

describe('a director', () => {
  it('publishes, then starts the threads, and only then lets the host route packets to it', async () => {
    const order: string[] = [];
    const dataplane = new FakeDataplane();
    await Director.start(
      {
        dataplane,
        start: () => order.push(`start after ${dataplane.published.length}`),
        prepareHost: (model, facts) => {
          order.push(`host of ${model.services.length} on ${facts.name}`);
          return Promise.resolve(new FakeHost());
        },
      },
      modelWith(web('a')),
    );
    expect(order).toEqual(['start after 1', 'host of 1 on fake0']);
  });

  it('closes the dataplane when the host refuses at the start', async () => {
    const dataplane = new FakeDataplane();
    const refusal = new Error('no route for you');
    await expect(
      Director.start({ dataplane, prepareHost: () => Promise.reject(refusal) }, emptyModel),
    ).rejects.toBe(refusal);
    expect(dataplane.closed).toBe(true);
  });

  it('closes the dataplane when the first snapshot is refused', async () => {
    const dataplane = new FakeDataplane();
    dataplane.failNext = new Error('bad snapshot');
    await expect(Director.start({ dataplane }, emptyModel)).rejects.toThrow('bad snapshot');
    expect(dataplane.closed).toBe(true);
  });

  it('applies what changed, to the dataplane and to the host, and says what it was', async () => {
    const { director, dataplane, host } = await started(modelWith(web('a')));
    const changes = await director.apply(modelWith(web('a:2')));
    expect(changes.map(describeChange)).toEqual([`~ server web ${idOf('a')} weight 1 -> 2`]);
    expect(dataplane.published).toHaveLength(2);
    expect(host.told).toEqual(['update web']);
    expect(director.generation).toBe(2);
  });

  it('takes a configuration as YAML as well', async () => {
    const { director } = await started(emptyModel);
    const changes = await director.apply(
      'services: [{ name: dns, listen: "udp://10.9.0.1:53", servers: [10.2.1.9:53] }]',
    );
    expect(changes).toHaveLength(2);
    await expect(director.apply('services: 3')).rejects.toMatchObject({ code: 'VSNAT_CONFIG_INVALID' });
    expect(director.model.services.map(({ name }) => name)).toEqual(['dns']);
  });

  it('publishes nothing when nothing changed, but still lets the host put back what others removed', async () => {
    const { director, dataplane, host } = await started(modelWith(web('a')));
    expect(await director.apply(modelWith(web('a')))).toEqual([]);
    expect(dataplane.published).toHaveLength(1);
    expect(host.told).toEqual(['update web']);
  });

  it("tells what is wrong with the host's plumbing", async () => {
    const { director, host } = await started(modelWith(web('a')));
    expect(director.hostTrouble()).toBeNull();
    host.refuse = new Error('a route is missing');
    expect(director.hostTrouble()).toBe('a route is missing');
  });

  it('keeps the running configuration when the dataplane refuses the new one', async () => {
    const { director, dataplane, host } = await started(modelWith(web('a')));
    dataplane.failNext = new Error('no memory');
    await expect(director.apply(modelWith(web('a b')))).rejects.toThrow('no memory');
    expect(director.model.services[0]?.servers).toHaveLength(1);
    expect(director.generation).toBe(1);
    expect(host.told).toEqual([]);
  });

  it('publishes the old configuration again when the host refuses the new one', async () => {
    const { director, dataplane, host } = await started(modelWith(web('a')));
    host.refuse = new Error('no nft');
    await expect(director.apply(modelWith(web('a b')))).rejects.toThrow('no nft');
    expect(director.model.services[0]?.servers).toHaveLength(1);
    expect(dataplane.published.at(-1)?.services).toEqual(dataplane.published[0]?.services);
  });

  it('obeys one change after the other, also after one that failed', async () => {
    const { director, dataplane } = await started(modelWith(web('a')));
    dataplane.failNext = new Error('once');
    const [first, second] = await Promise.allSettled([
      director.apply(modelWith(web('b'))),
      director.apply(modelWith(web('c'))),
    ]);
    expect(first.status).toBe('rejected');
    expect(second.status).toBe('fulfilled');
    expect(director.services()[0]?.servers.map(({ server }) => server)).toEqual([idOf('c')]);
  });

  it('shows servers with the numbers of their slots, through removal and return', async () => {
    const { director, dataplane } = await started(modelWith(web('a b')));
    dataplane.setServer(1, { active: 4, inactive: 2, connections: 9, inBytes: 100 });
    dataplane.setService(0, { connections: 11, scheduleFailures: 1 });
    await director.apply(modelWith(web('a')));
    await director.apply(modelWith(web('b:0 a')));
    expect(director.services()).toMatchObject([
      {
        service: 'web',
        scheduler: 'wrr',
        connections: 11,
        scheduleFailures: 1,
        servers: [
          { server: idOf('b'), weight: 0, active: 4, inactive: 2, connections: 9, inBytes: 100 },
          { server: idOf('a'), weight: 1, active: 0 },
        ],
      },
    ]);
  });

  it('names the service of a connection, and says when it is no longer configured', async () => {
    const { director, dataplane } = await started(modelWith(web('a')));
    const row = {
      protocol: 'tcp',
      state: 'ESTABLISHED',
      expiresInSeconds: 899,
      clientAddress: '192.0.2.7',
      clientPort: 40_000,
      virtualAddress: '10.9.0.1',
      virtualPort: 80,
      realAddress: '10.2.1.97',
      realPort: 8080,
      serverSlot: 0,
      queue: 0,
    } as const;
    dataplane.rows = [
      { ...row, serviceSlot: 0 },
      { ...row, serviceSlot: 5 },
    ];
    const { rows, next } = director.connections(0, 10);
    expect(rows.map(({ service }) => service)).toEqual(['web', null]);
    expect(rows[0]).not.toHaveProperty('serviceSlot');
    expect(next).toBeNull();
  });

  it('gives the host back before it stops moving packets, once, also when the host complains', async () => {
    const { director, dataplane, host } = await started(modelWith(web('a')));
    let wasOpen = false;
    const close = host.close.bind(host);
    host.close = () => {
      wasOpen = !dataplane.closed;
      host.refuse = new Error('a rule is gone already');
      return close();
    };
    const both = await Promise.allSettled([director.close(), director.close()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(host.told).toEqual(['close']);
    expect(wasOpen).toBe(true);
    expect(dataplane.closed).toBe(true);
  });

  it('finishes a change under way before it closes, and refuses those that come later', async () => {
    const { director, host } = await started(modelWith(web('a')));
    const change = director.apply(modelWith(web('b')));
    const closed = director.close();
    const late = director.apply(modelWith(web('c')));
    await expect(late).rejects.toMatchObject({ code: 'VSNAT_DATAPLANE' });
    await change;
    await closed;
    expect(host.told).toEqual(['update web', 'close']);
  });
});

describe('the device of a model', () => {
  const queues = (wanted: number | 'auto', cpus: number): number =>
    tunOptions({ ...emptyModel, tun: { ...emptyModel.tun, queues: wanted } }, cpus).queues;

  it('has a queue per CPU unless told, and never more than the kernel attaches', () => {
    expect([queues('auto', 3), queues('auto', 256), queues('auto', 257), queues('auto', 1024)]).toEqual([
      3, 256, 256, 256,
    ]);
    expect([queues(1, 8), queues(256, 8)]).toEqual([1, 256]);
  });

  it('has slots for what is configured, with room to grow', () => {
    const services = Array.from({ length: 5_000 }, (_, i) => web(`s${i}`)).map((service, i) => ({
      ...service,
      name: `service${i}`,
    }));
    expect(tunOptions(modelWith(...services)).limits).toMatchObject({ serviceSlots: 16_384 });
    expect(tunOptions(emptyModel).limits).toEqual({ serverSlots: 16_384, serviceSlots: 4_096 });
  });
});
