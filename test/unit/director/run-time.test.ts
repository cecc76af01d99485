// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { ChangeRefused } from '../../../src/director/change-refused.js';
import { describeChange } from '../../../src/director/diff.js';
import type { HostPlumbing } from '../../../src/director/director-parts.js';
import { Director } from '../../../src/director/director.js';
import type { Operation } from '../../../src/director/operation.js';
import { Ledger, type ServiceTally } from '../../../src/director/ledger.js';
import { atOnce } from '../../../src/pace.js';
import { RunTime, type Precondition } from '../../../src/director/run-time.js';
import { wholeTable } from '../../../src/director/table.js';
import type { TableService } from '../../../src/ipvsadm/index.js';
import { kernelOrder } from '../../../src/scheduler/scheduler.js';
import type { Model } from '../../../src/model/index.js';
import { emptyModel, idOf, modelWith, web } from './models.js';

const at = 'tcp://10.9.0.1:80';
const addServer = (letter: string, weight = 1): Operation => ({
  op: 'add-server',
  service: at,
  server: idOf(letter),
  weight,
  upperThreshold: 0,
  lowerThreshold: 0,
});

async function running(model: Model, host?: HostPlumbing) {
  const dataplane = new FakeDataplane();
  const director = await Director.start(
    { dataplane, ...(host === undefined ? {} : { prepareHost: () => Promise.resolve(host) }) },
    model,
  );
  const runTime = new RunTime(director);
  const only = async (): Promise<TableService> => {
    const [service] = wholeTable(await runTime.table()).services;
    if (service === undefined) throw new Error('there is no service');
    return service;
  };
  return { dataplane, director, runTime, only };
}

describe('a director changed at run time', () => {
  it('is built up from nothing, each change published and told to the host', async () => {
    const told: string[] = [];
    const host: HostPlumbing = {
      update: ({ services }) =>
        Promise.resolve(void told.push(JSON.stringify(services.map((it) => it.servers.length)))),
      close: () => Promise.resolve(),
      trouble: () => null,
    };
    const { dataplane, runTime } = await running(emptyModel, host);
    const changes = await runTime.change([{ op: 'add-service', service: at, scheduler: 'rr', flags: [] }]);
    expect(changes.map(describeChange)).toEqual(['+ service tcp-10.9.0.1-80 tcp://10.9.0.1:80 rr']);
    await runTime.change([addServer('a')]);
    await runTime.change([addServer('b')]);
    expect(told).toEqual(['[0]', '[1]', '[2]']);
    expect(dataplane.published).toHaveLength(4);
  });

  it('schedules servers added one by one as the kernel does: wrr begins with a flat pass', async () => {
    const { dataplane, runTime } = await running(emptyModel);
    await runTime.change([{ op: 'add-service', service: at, scheduler: 'wrr', flags: [] }]);
    for (const [letter, weight] of [
      ['a', 4],
      ['b', 3],
      ['c', 2],
    ] as const)
      await runTime.change([addServer(letter, weight)]);
    const [service] = dataplane.published.at(-1)?.services ?? [];
    const newestFirst = kernelOrder(
      service?.servers.map((server) => ({ ...server, address: server.address as never })) ?? [],
    );
    expect(service?.plan).toMatchObject({ kind: 'cycle', lead: newestFirst });
  });

  it('stays as it was when the host refuses, timeouts included', async () => {
    const host: HostPlumbing = {
      update: () => Promise.reject(new Error('no')),
      close: () => Promise.resolve(),
      trouble: () => null,
    };
    const { runTime, director } = await running(modelWith(web('a')), host);
    await expect(
      runTime.change([{ op: 'set-timeouts', tcp: 5, tcpFin: 5, udp: 5 }, addServer('b')]),
    ).rejects.toThrow('no');
    expect(runTime.timeouts).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
    expect(director.model.services[0]?.servers).toHaveLength(1);
  });

  it('takes changes and files in turns, each from what the one before left', async () => {
    const { runTime, director } = await running(emptyModel);
    const change = (port: number): Promise<unknown> =>
      runTime.change([{ op: 'add-service', service: `tcp://10.9.0.1:${port}`, scheduler: 'rr', flags: [] }]);
    const failed = change(1).then(() =>
      runTime.change([{ op: 'delete-service', service: 'tcp://10.9.0.9:1' }]),
    );
    const file = change(2).then(() => runTime.load(modelWith(web('a'))));
    await expect(failed).rejects.toThrow(/must exist/);
    await file;
    await change(3);
    expect(director.model.services.map(({ name }) => name)).toEqual(['web', 'tcp-10.9.0.1-3']);
  });

  it('goes back to a file, and says which of its changes that undid', async () => {
    const file = modelWith(web('a'));
    const { runTime, director } = await running(file);
    const editA = { ...addServer('a', 5), op: 'edit-server' } as Operation;
    await runTime.change([addServer('b'), editA, { op: 'set-timeouts', tcp: 5, tcpFin: 0, udp: 0 }]);
    const { lost } = await runTime.load(file);
    expect(lost.map(describeChange)).toEqual([
      '~ service web timeout tcpEstablished 900s -> 5s',
      `~ server web ${idOf('a')} weight 1 -> 5`,
      `+ server web ${idOf('b')} weight 1`,
    ]);
    expect(director.model.services).toEqual(file.services);
    expect(runTime.timeouts.tcp).toBe(900);
    expect(await runTime.load(file)).toEqual({ changes: [], lost: [], notes: [] });
  });

  it('has lost nothing to a file that says the same', async () => {
    const { runTime } = await running(modelWith(web('a')));
    await runTime.change([addServer('b'), { ...addServer('a', 5), op: 'edit-server' } as Operation]);
    const { changes, lost } = await runTime.load(modelWith(web('a:5')));
    expect(lost.map(describeChange)).toEqual([`+ server web ${idOf('b')} weight 1`]);
    expect(changes.map(describeChange)).toEqual([`- server web ${idOf('b')}`]);
  });
});

describe('the virtual server table', () => {
  it('shows each address of a service, and its servers newest first', async () => {
    const { runTime } = await running(
      modelWith(
        web('a b:3', {
          listen: ['tcp://10.9.0.1:80', 'udp://10.9.0.1:80'],
          scheduler: 'mh',
          flags: ['mh-port', 'mh-fallback'],
        }),
      ),
    );
    const { size, services } = wholeTable(await runTime.table());
    expect(size).toBe(262_144);
    expect(services.map(({ key, scheduler, flags }) => ({ key, scheduler, flags }))).toEqual([
      { key: { protocol: 'tcp', address: '10.9.0.1', port: 80 }, scheduler: 'mh', flags: [1, 2] },
      { key: { protocol: 'udp', address: '10.9.0.1', port: 80 }, scheduler: 'mh', flags: [1, 2] },
    ]);
    expect(services[0]?.servers.map(({ address, weight }) => `${address} ${weight}`)).toEqual([
      '10.2.1.98 3',
      '10.2.1.97 1',
    ]);
  });

  it('counts from the moment it is there, and again from every zero', async () => {
    const { dataplane, runTime, only } = await running(modelWith(web('a b')));
    dataplane.setServer(0, {
      active: 1,
      inactive: 2,
      connections: 9,
      inPackets: 10,
      inBytes: 100,
      outPackets: 5,
      outBytes: 50,
    });
    dataplane.setService(0, { connections: 9 });
    expect(await only()).toMatchObject({
      totals: { connections: 9, inPackets: 10, outPackets: 5, inBytes: 100, outBytes: 50 },
      servers: [
        { totals: { connections: 0 } },
        { active: 1, inactive: 2, totals: { connections: 9, inBytes: 100 } },
      ],
    });
    runTime.zero(at);
    dataplane.setServer(0, { connections: 10, inPackets: 13 });
    expect(await only()).toMatchObject({
      totals: { connections: 0, inPackets: 3, inBytes: 0 },
      servers: [{}, { active: 1, totals: { connections: 1, inPackets: 3 } }],
    });
    expect(() => runTime.zero('tcp://10.9.0.9:80')).toThrow(/must exist/);
  });

  it('zeroes one service alone, or all', async () => {
    const { dataplane, runTime } = await running(
      modelWith(web('a'), web('b', { name: 'other', listen: 'tcp://10.9.0.2:80' })),
    );
    const counts = async (): Promise<number[]> =>
      wholeTable(await runTime.table()).services.map(({ totals }) => totals.inPackets);
    dataplane.setServer(0, { inPackets: 5 });
    dataplane.setServer(1, { inPackets: 7 });
    expect(await counts()).toEqual([5, 7]);
    runTime.zero('tcp://10.9.0.2:80');
    expect(await counts()).toEqual([5, 0]);
    runTime.zero(null);
    expect(await counts()).toEqual([0, 0]);
  });

  it('keeps the packets of a server that leaves, and its numbers when it comes back', async () => {
    const { dataplane, runTime, only } = await running(modelWith(web('a b')));
    dataplane.setServer(0, { inPackets: 40 });
    dataplane.setServer(1, { inPackets: 2 });
    await runTime.change([{ op: 'delete-server', service: at, server: idOf('a') }]);
    expect((await only()).totals.inPackets).toBe(42);
    await runTime.change([addServer('a')]);
    expect((await only()).totals.inPackets).toBe(42);
    expect((await only()).servers.find(({ address }) => address === '10.2.1.97')?.totals.inPackets).toBe(40);
  });

  it('begins at nothing for a service that is deleted and made again', async () => {
    const { dataplane, runTime, only } = await running(modelWith(web('a')));
    dataplane.setServer(0, { inPackets: 40, connections: 3 });
    dataplane.setService(0, { connections: 3 });
    expect((await only()).totals).toMatchObject({ connections: 3, inPackets: 40 });
    await runTime.change([{ op: 'delete-service', service: at }]);
    await runTime.change([{ op: 'add-service', service: at, scheduler: 'wrr', flags: [] }, addServer('a')]);
    expect((await only()).totals).toMatchObject({ connections: 0, inPackets: 0 });
  });

  it("has the estimator's rates once two seconds have passed, and none after a zero", async () => {
    const { dataplane, runTime, only } = await running(modelWith(web('a')));
    dataplane.setServer(0, { connections: 1000 });
    dataplane.setService(0, { connections: 1000 });
    expect((await only()).rates.connections).toBe(0);
    await runTime.tick();
    expect([(await only()).rates.connections, (await only()).servers[0]?.rates.connections]).toEqual([
      125, 125,
    ]);
    await runTime.tick();
    expect((await only()).rates.connections).toBe(94);
    runTime.zero(null);
    expect((await only()).rates.connections).toBe(0);
    await runTime.tick();
    expect((await only()).rates.connections).toBe(0);
  });
});

describe('a look at what has been counted, made in steps', () => {
  const server = (name: string) => ({ server: name });
  const servers = [server('a'), server('b'), server('c')];
  /** As the dataplane counts at one moment. */
  const tallyAt = (packets: number, of: ServiceTally['servers'] = servers): ServiceTally => ({
    service: 'web',
    connections: 0,
    servers: of,
    countedAt: () => ({ connections: 0, inPackets: packets, outPackets: 0, inBytes: packets, outBytes: 0 }),
  });
  const packetsOf = (ledger: Ledger): number[] => [
    ledger.ofService('web').totals.inPackets,
    ...servers.map(({ server: name }) => ledger.ofServer('web', name).totals.inPackets),
  ];

  it('counts what one look at once would', () => {
    const ledger = new Ledger();
    ledger.look([tallyAt(0)]);
    const steps = ledger.looking([tallyAt(5)]);
    for (let step = steps.next(); step.done !== true; step = steps.next()) ledger.tick();
    expect(packetsOf(ledger)).toEqual([15, 5, 5, 5]);
  });

  it('is given up for a later one, and counts nothing twice', () => {
    for (let stepsBefore = 0; stepsBefore <= servers.length; stepsBefore += 1) {
      const ledger = new Ledger();
      ledger.look([tallyAt(0)]);
      const steps = ledger.looking([tallyAt(5)]);
      for (let step = 0; step < stepsBefore; step += 1) steps.next();
      ledger.look([tallyAt(7)]);
      atOnce(steps);
      expect(packetsOf(ledger)).toEqual([21, 7, 7, 7]);
    }
  });

  it('forgets no service that a later look has found', () => {
    const ledger = new Ledger();
    ledger.look([tallyAt(0)]);
    const steps = ledger.looking([tallyAt(1)]);
    steps.next();
    const other = { ...tallyAt(0), service: 'other' };
    ledger.look([tallyAt(2), other]);
    atOnce(steps);
    ledger.look([tallyAt(2), { ...tallyAt(3), service: 'other' }]);
    expect(ledger.ofService('other').totals.inPackets).toBe(9);
  });
});

describe('the revision', () => {
  /** As one who has read revision `seen` and writes if nobody was faster. */
  const still =
    (seen: number): Precondition =>
    (revision) => {
      if (revision !== seen) throw new ChangeRefused('changed-meanwhile', 'somebody was faster');
    };

  it('goes up with every change and every file that changed something, and with nothing else', async () => {
    const { runTime } = await running(modelWith(web('a')));
    const revisions = [runTime.revision];
    const look = (): void => void revisions.push(runTime.revision);
    await runTime.change([addServer('b')]);
    look();
    await runTime.change([]);
    await runTime.load(modelWith(web('a b')));
    await runTime.preview([addServer('c')]);
    await runTime.previewLoad(emptyModel);
    await expect(runTime.change([addServer('b')])).rejects.toThrow(/must be new/);
    look();
    await runTime.load(modelWith(web('a')));
    look();
    expect(revisions).toEqual([1, 2, 2, 3]);
  });

  it('lets one of two writers through who have both seen the same', async () => {
    const { runTime } = await running(modelWith(web('a')));
    const seen = runTime.revision;
    const results = await Promise.allSettled([
      runTime.change([addServer('b')], still(seen)),
      runTime.change([addServer('c')], still(seen)),
      runTime.load(emptyModel, still(seen)),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(runTime.sinceFile.map(describeChange)).toEqual([`+ server web ${idOf('b')} weight 1`]);
  });

  it('loses no update of many writers that read, change and try again', async () => {
    const { director, runTime } = await running(modelWith(web('a:0')));
    const writer = async (): Promise<void> => {
      for (;;) {
        const { model, revision: seen } = await runTime.settled();
        const weight = (model.services[0]?.servers[0]?.weight ?? 0) + 1;
        await Promise.resolve(); // where another writer gets between
        const edit: Operation = { ...addServer('a', weight), op: 'edit-server' } as Operation;
        if (await runTime.change([edit], still(seen)).then(Boolean, () => false)) return;
      }
    };
    await Promise.all(Array.from({ length: 40 }, writer));
    expect(director.model.services[0]?.servers[0]?.weight).toBe(40);
  });
});

it('what is read once settled is never a change that the host has yet to refuse', async () => {
  const host: HostPlumbing = {
    update: () => Promise.reject(new Error('nft: no')),
    close: () => Promise.resolve(),
    trouble: () => null,
  };
  const { runTime } = await running(modelWith(web('a')), host);
  const change = runTime.change([addServer('b')]);
  const { model, revision } = await runTime.settled();
  await expect(change).rejects.toThrow('nft: no');
  expect([model.services[0]?.servers.length, revision, runTime.revision]).toEqual([1, 1, 1]);
});

describe('a preview', () => {
  it('says what a change would change, refuses what it would refuse, and changes nothing', async () => {
    const { dataplane, runTime } = await running(modelWith(web('a')));
    expect((await runTime.preview([addServer('b')])).map(describeChange)).toEqual([
      `+ server web ${idOf('b')} weight 1`,
    ]);
    await expect(runTime.preview([addServer('a')])).rejects.toThrow(/must be new/);
    expect(runTime.sinceFile).toEqual([]);
    expect(dataplane.published).toHaveLength(1);
  });

  it('of a file says too what that would undo', async () => {
    const { dataplane, runTime } = await running(modelWith(web('a')));
    await runTime.change([addServer('b')]);
    const { changes, lost } = await runTime.previewLoad(modelWith(web('a')));
    expect(changes.map(describeChange)).toEqual([`- server web ${idOf('b')}`]);
    expect(lost.map(describeChange)).toEqual([`+ server web ${idOf('b')} weight 1`]);
    expect(dataplane.published).toHaveLength(2);
  });
});

it('a running director has its numbers by name as well', async () => {
  const { dataplane, runTime } = await running(modelWith(web('a')));
  dataplane.setServer(0, { inPackets: 40 });
  const numbers = [...(await runTime.numbers())].map((one) => ({ ...one, servers: [...one.servers] }));
  expect(numbers).toMatchObject([
    {
      service: 'web',
      totals: { inPackets: 40 },
      servers: [{ server: idOf('a'), totals: { inPackets: 40 }, rates: { inPackets: 0 } }],
    },
  ]);
});

describe('changes at run time and files', () => {
  const server = { service: 'web', server: idOf('a') };
  const keeping = (model: Model): Model => ({ ...model, admin: { ...model.admin, runTimeChanges: 'keep' } });

  it('are listed with when and by whom, until a file says the same', async () => {
    const { director } = await running(modelWith(web('a b')));
    const runTime = new RunTime(director, () => 1_234);
    await runTime.change([{ op: 'set-weight', ...server, weight: 7 }], undefined, 'ipvsadm');
    await runTime.change([{ op: 'disable', ...server }]);
    expect(runTime.deviations.map(({ change, at, by }) => [describeChange(change), at, by])).toEqual([
      [`~ server web ${idOf('a')} weight 1 -> 7`, 1_234, 'ipvsadm'],
      [`~ server web ${idOf('a')} disabled false -> true`, 1_234, 'api'],
    ]);
    await runTime.load(modelWith(web('a:7 b')));
    expect(runTime.deviations).toEqual([]);
  });

  it('stay over a reload when the file says so, in what load() tells and in what runs', async () => {
    const { director, runTime } = await running(keeping(modelWith(web('a b'))));
    await runTime.change([{ op: 'set-weight', ...server, weight: 7 }]);
    const file = keeping(modelWith(web('a b c')));
    const preview = await runTime.previewLoad(file);
    const loaded = await runTime.load(file);
    expect(loaded).toEqual(preview);
    expect(loaded.changes.map(describeChange)).toEqual([`+ server web ${idOf('c')} weight 1`]);
    expect(loaded.lost).toEqual([]);
    expect(director.model.services[0]?.servers.map(({ weight }) => weight)).toEqual([7, 1, 1]);
    expect(runTime.deviations).toHaveLength(1);
  });

  it('are gone, and told, when they do not fit the new file', async () => {
    const { director, runTime } = await running(keeping(modelWith(web('a'))));
    await runTime.change([{ op: 'add-service', service: 'tcp://10.9.0.1:81', scheduler: 'rr', flags: [] }]);
    const other = web('b', { name: 'other', listen: 'tcp://10.9.0.1:81' });
    const { notes } = await runTime.load(keeping(modelWith(web('a'), other)));
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^what was changed at run time does not fit the new file and is gone: /);
    expect(director.model.services.map(({ name }) => name)).toEqual(['web', 'other']);
  });
});
