// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from 'node:fs';

import { afterEach, describe, expect, it } from 'vitest';

import { getJson, postJson } from '../../../src/admin/client.js';
import { startDaemon, type Daemon, type DaemonParts } from '../../../src/cli/daemon.js';
import type { FakeDataplane } from '../../../src/dataplane/fake.js';
import { VsnatError } from '../../../src/errors.js';
import { parseEndpoint } from '../../../src/model/index.js';
import { fakeMachine, webConfig, type FakeMachine } from './parts.js';

const machines: FakeMachine[] = [];
const daemons: Daemon[] = [];
afterEach(async () => {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.stop()));
  for (const { directory } of machines.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function machine(fail: Readonly<Record<string, Error>> = {}): FakeMachine {
  const made = fakeMachine(fail);
  machines.push(made);
  return made;
}

async function start(parts: DaemonParts<FakeDataplane>): Promise<Daemon> {
  const daemon = await startDaemon({ configFile: 'vsnat.yaml', version: '0.1.0' }, parts);
  daemons.push(daemon);
  return daemon;
}

const startOrder = ['load', 'preflight', 'open dataplane', 'start threads', 'prepare host', 'tell ready'];

describe('a daemon', () => {
  it('starts in the order that is safe, and stops in the opposite one', async () => {
    const { parts, events, socket } = machine();
    const daemon = await start(parts);
    expect(events).toEqual(startOrder);
    events.length = 0;
    await Promise.all([daemon.stop(), daemon.stop()]);
    expect(events).toEqual(['tell stopping', 'close host', 'close dataplane']);
    expect(existsSync(socket)).toBe(false);
  });

  it.each(startOrder.slice(1, -1))(
    'that fails at "%s" undoes what it had done and throws that failure',
    async (step) => {
      const failure = new VsnatError('VSNAT_HOST_REFUSED', `${step}: refused`);
      const { parts, events, socket, dataplane } = machine({ [step]: failure });
      await expect(start(parts)).rejects.toBe(failure);
      const wasOpened = events.indexOf('open dataplane') >= 0 && step !== 'open dataplane';
      expect(dataplane.closed).toBe(wasOpened);
      expect(events).not.toContain('tell ready');
      expect(existsSync(socket)).toBe(false);
    },
  );

  it('undoes the host too when the metrics cannot be served', async () => {
    const first = machine();
    const listen = parseEndpoint('127.0.0.1:1');
    if (!listen.ok) throw new Error('not an endpoint');
    const onPort = (port: number): DaemonParts<FakeDataplane>['load'] => {
      const load = first.parts.load;
      return async (note) => {
        const model = await load(note);
        return { ...model, metrics: { ...model.metrics, listen: { ...listen.value, port } } };
      };
    };
    const daemon = await start({ ...first.parts, load: onPort(0) });
    const second = machine();
    const load = onPort(daemon.metricsPort ?? 0);
    const elsewhere: typeof load = async (note) => {
      const model = await load(note);
      return { ...model, admin: { ...model.admin, socket: second.socket } };
    };
    await expect(start({ ...second.parts, load: elsewhere })).rejects.toThrow(
      /^metrics.listen: .* EADDRINUSE/,
    );
    expect(second.events.slice(-2)).toEqual(['close host', 'close dataplane']);
    expect(second.events).not.toContain('tell ready');
  });

  it('keeps a second one out before that has touched anything', async () => {
    const first = machine();
    await start(first.parts);
    const second = machine();
    const load: typeof second.parts.load = async (note) => {
      const model = await second.parts.load(note);
      return { ...model, admin: { ...model.admin, socket: first.socket } };
    };
    await expect(start({ ...second.parts, load })).rejects.toMatchObject({ code: 'VSNAT_DEVICE_BUSY' });
    expect(second.events).toEqual(['load', 'preflight']);
  });

  it('can be given up while it starts', async () => {
    const { parts, events, dataplane } = machine();
    const giveUp = new AbortController();
    const prepareHost: typeof parts.prepareHost = async (...all) => {
      const host = await parts.prepareHost(...all);
      giveUp.abort();
      return host;
    };
    await expect(
      startDaemon({ configFile: 'a', version: '0', signal: giveUp.signal }, { ...parts, prepareHost }),
    ).rejects.toThrow(/aborted/);
    expect(events.slice(-2)).toEqual(['close host', 'close dataplane']);
    expect(dataplane.closed).toBe(true);
  });

  it('takes everything else down when one thing cannot be', async () => {
    const { parts, socket, dataplane, log } = machine({ 'close host': new Error('nft is gone') });
    const daemon = await start(parts);
    await daemon.stop();
    expect(dataplane.closed).toBe(true);
    expect(existsSync(socket)).toBe(false);
    expect(log.join('')).toContain('nft is gone');
  });

  it('reloads on request: applies, logs each change, tells the service manager, shows it in the status', async () => {
    const subject = machine();
    const daemon = await start(subject.parts);
    subject.events.length = 0;
    subject.text = webConfig(3);
    expect(await daemon.reload()).toMatchObject({ result: 'applied' });
    expect(subject.events).toEqual(['tell reloading', 'load', 'update host', 'tell ready']);
    expect(subject.log.join('')).toContain('~ server web 10.2.1.2:8080 weight 1 -> 3');
    expect((await getJson(subject.socket, '/v1/status')).body).toMatchObject({
      pid: process.pid,
      state: 'ready',
      configFile: 'vsnat.yaml',
      director: {
        generation: 2,
        adopted: true,
        services: 1,
        servers: 1,
        reloads: { counts: { applied: 1 } },
      },
    });
    expect((await postJson(subject.socket, '/v1/reload')).body).toMatchObject({
      result: 'unchanged',
      changes: [],
    });
  });

  it('refuses a bad file whole, over the socket too, and runs on', async () => {
    const subject = machine();
    await start(subject.parts);
    subject.text = 'services: [{ name: web, listen: "tcp://10.9.0.1:80", servers: [1], weight: 3 }]';
    const { status, body } = await postJson(subject.socket, '/v1/reload');
    expect(status).toBe(422);
    expect(body).toMatchObject({ error: { code: 'VSNAT_CONFIG_INVALID' } });
    expect(subject.dataplane.published).toHaveLength(1);
    expect(subject.events.at(-1)).toBe('tell ready');
    expect(subject.log.at(-1)).toContain('the old configuration runs on');
    expect((await getJson(subject.socket, '/v1/status')).body).toMatchObject({
      director: { reloads: { counts: { rejected: 1 }, lastSuccessful: false } },
    });
  });

  it('that is stopped during a reload ends it first, and never says "ready" after "stopping"', async () => {
    const subject = machine();
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    const prepareHost: typeof subject.parts.prepareHost = async (...all) => {
      const host = await subject.parts.prepareHost(...all);
      return { ...host, update: (model) => gate.then(() => host.update(model)) };
    };
    const daemon = await start({ ...subject.parts, prepareHost });
    subject.events.length = 0;
    subject.text = webConfig(3);
    const reload = daemon.reload();
    await Promise.resolve();
    const stop = daemon.stop();
    goOn();
    expect(await reload).toMatchObject({ result: 'applied' });
    await stop;
    expect(subject.events).toEqual([
      'tell reloading',
      'load',
      'tell stopping',
      'update host',
      'close host',
      'close dataplane',
    ]);
    expect(subject.log.slice(-2).join('')).toMatch(/stopping.*stopped/s);
    expect(await daemon.reload()).toMatchObject({ result: 'failed' });
    expect(subject.events.at(-1)).toBe('close dataplane');
  });

  it('tells a reload what runs now', async () => {
    const subject = machine();
    const seen: unknown[] = [];
    const load: typeof subject.parts.load = async (note, running) => {
      seen.push(running?.services[0]?.servers[0]?.weight);
      return subject.parts.load(note, running);
    };
    const daemon = await start({ ...subject.parts, load });
    subject.text = webConfig(3);
    await daemon.reload();
    await daemon.reload();
    expect(seen).toEqual([undefined, 1, 3]);
  });

  const weightOperation = (weight: number) => ({
    op: 'edit-server',
    service: 'tcp://10.9.0.1:80',
    server: '10.2.1.2:8080',
    weight,
    upperThreshold: 0,
    lowerThreshold: 0,
  });

  it('is changed over the socket: published, told to the host, logged, shown in the table', async () => {
    const subject = machine();
    await start(subject.parts);
    subject.events.length = 0;
    const body = { operations: [weightOperation(7)] };
    expect(await postJson(subject.socket, '/v1/change', 5_000, body)).toMatchObject({
      status: 200,
      body: { changes: [{ kind: 'changed', property: 'weight', to: '7' }], notes: [] },
    });
    expect(subject.events).toEqual(['update host']);
    expect(subject.dataplane.published.at(-1)?.services[0]?.servers[0]?.weight).toBe(7);
    expect(subject.log.join('')).toMatch(/changed at run time.*\n.*weight 1 -> 7/);
    expect((await getJson(subject.socket, '/v1/table')).body).toMatchObject({
      services: [{ key: { port: 80 }, servers: [{ weight: 7 }] }],
    });
  });

  it('notes a server that was added out of reach, in the answer and in the log', async () => {
    const subject = machine();
    const asked: string[] = [];
    await start({
      ...subject.parts,
      unreachable: (servers) => {
        asked.push(...servers.map(({ address }) => address));
        return Promise.resolve(servers.length > 0 ? ['192.0.2.9:80'] : []);
      },
    });
    const operations = [{ ...weightOperation(1), op: 'add-server', server: '192.0.2.9:80' }];
    const { body } = await postJson(subject.socket, '/v1/change', 5_000, { operations });
    expect(asked).toEqual(['192.0.2.9']);
    expect(body).toMatchObject({
      notes: [expect.stringContaining('192.0.2.9:80 is in no subnet') as string],
    });
    expect(subject.log.join('')).toContain('192.0.2.9:80 is in no subnet');
  });

  it('goes back to its file with a reload, and logs what that undid', async () => {
    const subject = machine();
    const daemon = await start(subject.parts);
    await postJson(subject.socket, '/v1/change', 5_000, { operations: [weightOperation(7)] });
    subject.log.length = 0;
    expect(await daemon.reload()).toMatchObject({ result: 'applied' });
    expect(subject.log.join('')).toMatch(
      /the file has replaced what was changed at run time.*\n.*weight 1 -> 7/,
    );
    expect(subject.dataplane.published.at(-1)?.services[0]?.servers[0]?.weight).toBe(1);
    subject.log.length = 0;
    await daemon.reload();
    expect(subject.log.join('')).not.toContain('has replaced');
  });

  it('changes its log level with a reload', async () => {
    const subject = machine();
    const daemon = await start(subject.parts);
    subject.text = `${webConfig(1)}\nlog: { level: debug }`;
    await daemon.reload();
    expect(daemon.log.level).toBe('debug');
  });

  it('serves metrics and readiness from the same director', async () => {
    const subject = machine();
    const listen = parseEndpoint('127.0.0.1:1');
    if (!listen.ok) throw new Error('not an endpoint');
    const load: typeof subject.parts.load = async (note) => {
      const model = await subject.parts.load(note);
      return { ...model, metrics: { ...model.metrics, listen: { ...listen.value, port: 0 } } };
    };
    const daemon = await start({ ...subject.parts, load });
    const url = `http://127.0.0.1:${daemon.metricsPort ?? 0}`;
    subject.dataplane.setServer(0, { active: 5 });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain(
      'vsnat_server_connections_active{service="web",server="10.2.1.2:8080"} 5',
    );
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    subject.dataplane.setQueue(0, { generation: 0 });
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
  });
});
