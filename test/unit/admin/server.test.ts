// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { AdminActions, HealthAnswer } from '../../../src/admin/api.js';
import { getJson, postJson } from '../../../src/admin/client.js';
import { maxBodyBytes } from '../../../src/admin/route.js';
import { maxChangeBytes } from '../../../src/admin/routes/change.js';
import { openAdmin, type AdminServer } from '../../../src/admin/server.js';
import { ChangeRefused } from '../../../src/director/change-refused.js';
import type { Operation } from '../../../src/director/operation.js';
import { VsnatError } from '../../../src/errors.js';
import type { Checked, CheckedState } from '../../../src/health/state.js';
import { fakeActions } from './actions.js';
import { listing } from './listings.js';

let directory: string;
let socket: string;
const opened: AdminServer[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vsnat-admin-'));
  socket = join(directory, 'run', 'vsnat.sock');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
  rmSync(directory, { recursive: true, force: true });
});

const identity = { pid: process.pid, version: '0.1.0', configFile: 'vsnat.yaml', startedAt: 5 };
const failures: unknown[] = [];

async function open(path = socket): Promise<AdminServer> {
  const server = await openAdmin({ socket: path, identity, onFailure: (error) => failures.push(error) });
  opened.push(server);
  return server;
}

async function ready(more: Partial<AdminActions> = {}): Promise<void> {
  const server = await open();
  server.attach(fakeActions(more));
}

describe('the admin API', () => {
  it('tells who it is while it starts, and nothing more', async () => {
    await open();
    expect(await getJson(socket, '/v1/status')).toEqual({
      status: 200,
      body: { ...identity, state: 'starting', director: null },
    });
    expect(await getJson(socket, '/v1/services')).toMatchObject({
      status: 503,
      body: { error: { message: expect.stringContaining('still starting') as string } },
    });
  });

  it('answers from the director once it is attached, and not after', async () => {
    const server = await open();
    server.attach(fakeActions());
    expect((await getJson(socket, '/v1/status')).body).toMatchObject({
      state: 'ready',
      director: { generation: 3 },
    });
    expect(await getJson(socket, '/v1/services')).toEqual({
      status: 200,
      body: { services: [], next: null },
    });
    server.detach();
    expect((await getJson(socket, '/v1/status')).body).toMatchObject({ state: 'stopping', director: null });
  });

  it('pages through connections', async () => {
    await ready();
    expect((await getJson(socket, '/v1/flows?limit=2')).body).toMatchObject({
      rows: [{ clientPort: 1 }, { clientPort: 2 }],
      next: 2,
    });
    expect((await getJson(socket, '/v1/flows?limit=2&cursor=2')).body).toMatchObject({
      rows: [{ clientPort: 3 }],
      next: null,
    });
    expect(await getJson(socket, '/v1/flows?limit=x')).toMatchObject({
      status: 400,
      body: { error: { code: 'VSNAT_USAGE' } },
    });
  });

  it('pages through what is checked, and puts together no state that is not told', async () => {
    let made = 0;
    const checked = (name: string): Checked => {
      const [service = '', server = ''] = name.split(' ');
      const state = (): CheckedState => {
        made += 1;
        const idle = { verdict: 'up', weightPercent: null, drainAsked: false, suspect: false } as const;
        return { service, server, ...idle, since: 5, checks: [] };
      };
      return { service, server, state };
    };
    await ready({
      health: () => ['a 1', 'b 1', 'a 2', 'a 3', 'b 2'].map(checked),
      services: () => listing({ a: ['1', '2', '3'], b: ['1', '2'] }),
    });
    const page = async (query: string): Promise<readonly [servers: string[], next: number | null]> => {
      const { body } = await getJson(socket, `/v1/health${query}`);
      const { servers, next } = body as HealthAnswer;
      return [servers.map(({ service, server }) => `${service} ${server}`), next];
    };
    expect(await page('')).toEqual([['a 1', 'b 1', 'a 2', 'a 3', 'b 2'], null]);
    made = 0;
    expect(await page('?service=a&limit=2')).toEqual([['a 1', 'a 2'], 3]);
    expect(await page('?service=a&limit=2&cursor=3')).toEqual([['a 3'], null]);
    expect(await page('?server=1&cursor=5')).toEqual([[], null]);
    expect(made).toBe(3);
  });

  it('reloads on POST, and lists the mistakes of a bad file one by one', async () => {
    const mistakes = 'a.yaml:1:1: services: must be a list\na.yaml:2:1: tun: must be a map';
    let error: VsnatError | undefined;
    await ready({
      reload: () =>
        error === undefined
          ? Promise.resolve({ result: 'applied', changes: [], revision: 7 })
          : Promise.reject(error),
    });
    expect(await postJson(socket, '/v1/reload')).toEqual({
      status: 200,
      body: { result: 'applied', changes: [], revision: '"5-7"' },
    });
    error = new VsnatError('VSNAT_CONFIG_INVALID', mistakes);
    expect(await postJson(socket, '/v1/reload')).toEqual({
      status: 422,
      body: { error: { code: 'VSNAT_CONFIG_INVALID', message: mistakes, problems: mistakes.split('\n') } },
    });
    error = new VsnatError('VSNAT_HOST_REFUSED', 'ip: no');
    expect((await postJson(socket, '/v1/reload')).status).toBe(500);
  });

  it('refuses unknown paths and methods, names of Object.prototype included', async () => {
    await ready();
    for (const path of [
      '/',
      '/v1',
      '/v1/status/',
      '/constructor',
      '/__proto__',
      '//evil',
      '/v1/../v1/statu',
    ]) {
      expect((await getJson(socket, path)).status, path).toBe(404);
    }
    expect((await postJson(socket, '/v1/status')).status).toBe(405);
    expect((await getJson(socket, '/v1/reload')).status).toBe(405);
  });

  it('answers 500 when the director fails unexpectedly, reports it, and lives on', async () => {
    await ready({
      services: () => {
        throw new TypeError('undefined is not a function');
      },
    });
    failures.length = 0;
    expect(await getJson(socket, '/v1/services')).toEqual({
      status: 500,
      body: { error: { code: 'HTTP', message: 'daemon: failed at this request; its log says more' } },
    });
    expect(failures).toHaveLength(1);
    expect((await getJson(socket, '/v1/status')).status).toBe(200);
  });

  it('refuses a body beyond its bound', async () => {
    await ready();
    const answer = await new Promise<number | undefined>((resolve) => {
      const asked = request({ socketPath: socket, method: 'POST', path: '/v1/reload' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on('error', () => undefined); // the server hangs up on what we still send
      asked.end(Buffer.alloc(maxBodyBytes * 4));
    });
    expect(answer).toBe(413);
  });

  it('does not mind garbage', async () => {
    await ready();
    const talk = connect(socket);
    talk.end('\u0000\u0001 not http at all\r\n\r\n');
    talk.resume();
    await once(talk, 'close');
    expect((await getJson(socket, '/v1/status')).status).toBe(200);
  });
});

describe('the admin socket', () => {
  it('is open to owner and group only, from its first moment, in a directory made for it', async () => {
    const before = process.umask(0o077);
    await open();
    expect(statSync(socket).mode & 0o777).toBe(0o660);
    expect(statSync(join(directory, 'run')).mode & 0o777).toBe(0o755);
    expect(process.umask(before)).toBe(0o077);
  });

  it('has the mode and the group that are configured, by name or number', async () => {
    const mine = String(process.getgid?.() ?? 0);
    const name = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([, , id]) => id === mine)?.[0];
    for (const group of [Number(mine), name ?? Number(mine)]) {
      const settings = { mode: 0o600, group, listen: null, tokenFile: null, tls: null };
      const server = await openAdmin({ socket, settings, identity, onFailure: () => undefined });
      expect([statSync(socket).mode & 0o777, statSync(socket).gid]).toEqual([0o600, Number(mine)]);
      await server.close();
    }
  });

  it('is not made for a group that is not there', async () => {
    const settings = { mode: 0o660, group: 'no-such-group', listen: null, tokenFile: null, tls: null };
    await expect(openAdmin({ socket, settings, identity, onFailure: () => undefined })).rejects.toThrow(
      'admin.group: must be a group of this host, got "no-such-group"',
    );
    expect(existsSync(socket)).toBe(false);
  });

  it('is gone when the server is closed', async () => {
    const server = await open();
    await server.close();
    await server.close();
    expect(existsSync(socket)).toBe(false);
  });

  it('left behind by a killed daemon is taken over', async () => {
    await open(join(directory, 'x')); // makes nothing here; only proves that two servers can live side by side
    const script = `require('net').createServer().listen(${JSON.stringify(join(directory, 'stale'))}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(existsSync(join(directory, 'stale'))).toBe(true);
    await open(join(directory, 'stale'));
    expect((await getJson(join(directory, 'stale'), '/v1/status')).status).toBe(200);
  });

  it('left behind goes to exactly one of several daemons that start at once', async () => {
    const path = join(directory, 'stale');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    const results = await Promise.allSettled([open(path), open(path), open(path)]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'VSNAT_DEVICE_BUSY' });
    expect((await getJson(path, '/v1/status')).status).toBe(200);
    expect(readdirSync(directory)).toEqual(['stale']);
  });

  it('is not removed by a server whose place somebody else has taken', async () => {
    const server = await open();
    rmSync(socket);
    const other = createServer().listen(socket);
    await once(other, 'listening');
    await server.close();
    expect(existsSync(socket)).toBe(true);
    other.close();
  });

  it('can be taken again as soon as its server is closed, by another spelling too', async () => {
    await (await open()).close();
    await open(join(directory, 'run', '..', 'run', 'vsnat.sock'));
    await expect(open()).rejects.toMatchObject({ code: 'VSNAT_DEVICE_BUSY' });
  });

  it('has every length the kernel allows', async () => {
    const path = join(directory, 'x'.repeat(107 - directory.length - 1));
    await open(path);
    expect((await getJson(path, '/v1/status')).status).toBe(200);
  });

  it('of a living daemon is left to it, and the daemon is named', async () => {
    await open();
    await expect(open()).rejects.toMatchObject({
      code: 'VSNAT_DEVICE_BUSY',
      message: expect.stringContaining(
        `got a running daemon (pid ${process.pid}); stop it (kill ${process.pid})`,
      ) as string,
    });
    expect((await getJson(socket, '/v1/status')).status).toBe(200);
  });

  it('of something else that answers is left alone too', async () => {
    const other = createServer((peer) => peer.on('error', () => undefined).end('hello\r\n')).listen(
      join(directory, 'other'),
    );
    await once(other, 'listening');
    await expect(open(join(directory, 'other'))).rejects.toMatchObject({ code: 'VSNAT_DEVICE_BUSY' });
    other.close();
  });

  it('is never put in place of a file', async () => {
    const file = join(directory, 'precious');
    writeFileSync(file, 'data');
    await expect(open(file)).rejects.toThrow(/must be a socket or free/);
    expect(statSync(file).size).toBe(4);
  });

  it.each([
    ['a path too long for the kernel', () => join(directory, 'x'.repeat(120)), /at most 107 bytes/],
    [
      'a directory that cannot be made',
      () => join(directory, 'no', 'such', 'here.sock'),
      /can be made, got ENOENT/,
    ],
  ])('is refused at %s', async (_, path, message) => {
    await expect(open(path())).rejects.toThrow(message);
  });
});

describe('changes over the admin API', () => {
  const post = (path: string, body: unknown) => postJson(socket, path, 5_000, body);

  it('hand the operations on and answer what changed and what may surprise', async () => {
    const heard: (readonly Operation[])[] = [];
    const answer = { changes: [], notes: ['a note'], dryRun: false };
    await ready({
      change: (operations) => Promise.resolve((heard.push(operations), { ...answer, revision: 7 })),
    });
    const operations = [{ op: 'clear' }, { op: 'delete-service', service: 'tcp://10.9.0.1:80' }];
    expect(await post('/v1/change', { operations })).toEqual({
      status: 200,
      body: { ...answer, revision: '"5-7"' },
    });
    expect(heard).toEqual([operations]);
  });

  it('are refused with the reason when they do not fit what runs', async () => {
    await ready({
      change: () => Promise.reject(new ChangeRefused('service-exists', 'service x: must be new')),
      zero: () => {
        throw new ChangeRefused('no-such-service', 'service x: must exist');
      },
    });
    expect(await post('/v1/change', { operations: [] })).toEqual({
      status: 409,
      body: {
        error: {
          code: 'VSNAT_CHANGE_REFUSED',
          message: 'service x: must be new',
          reason: 'service-exists',
        },
      },
    });
    expect(await post('/v1/zero', { service: 'x' })).toMatchObject({
      status: 409,
      body: { error: { reason: 'no-such-service' } },
    });
  });

  it('say whose fault it is when they cannot be read, or the host refuses', async () => {
    await ready({ change: () => Promise.reject(new VsnatError('VSNAT_HOST_REFUSED', 'host: no')) });
    for (const body of [undefined, 7, { operations: 'all' }, { operations: [{ op: 'explode' }] }])
      expect(await post('/v1/change', body)).toMatchObject({
        status: 400,
        body: { error: { code: 'VSNAT_USAGE' } },
      });
    for (const body of [undefined, {}, { service: 7 }])
      expect((await post('/v1/zero', body)).status).toBe(400);
    expect(await post('/v1/change', { operations: [] })).toMatchObject({
      status: 500,
      body: { error: { code: 'VSNAT_HOST_REFUSED' } },
    });
  });

  it('may be as long as a whole table, other bodies may not', async () => {
    await ready();
    const service = `tcp://10.9.0.1:80${' '.repeat(60)}`;
    const operations = Array.from({ length: 20_000 }, () => ({ op: 'delete-service', service }));
    expect(JSON.stringify(operations).length).toBeGreaterThan(10 * maxBodyBytes);
    expect(JSON.stringify(operations).length).toBeLessThan(maxChangeBytes);
    expect((await post('/v1/change', { operations })).status).toBe(200);
  });

  it('zero one service or all', async () => {
    const heard: (string | null)[] = [];
    await ready({ zero: (service) => void heard.push(service) });
    expect((await post('/v1/zero', { service: 'tcp://10.9.0.1:80' })).body).toEqual({ result: 'zeroed' });
    expect((await post('/v1/zero', { service: null })).status).toBe(200);
    expect(heard).toEqual(['tcp://10.9.0.1:80', null]);
  });

  it('show in the table', async () => {
    await ready();
    expect(await getJson(socket, '/v1/table')).toEqual({
      status: 200,
      body: { size: 1024, timeouts: { tcp: 900, tcpFin: 120, udp: 300 }, services: [] },
    });
  });
});

describe('a client', () => {
  it.each([['nothing is there', () => join(directory, 'none'), 'ENOENT']])(
    'says that the daemon is unreachable when %s',
    async (_, path, code) => {
      await expect(getJson(path(), '/v1/status')).rejects.toMatchObject({
        code: 'VSNAT_UNREACHABLE',
        message: expect.stringContaining(`got ${code}; start it with`) as string,
      });
    },
  );

  it('does not wait for ever for a peer that says nothing', async () => {
    const mute = createServer().listen(join(directory, 'mute'));
    await once(mute, 'listening');
    await expect(getJson(join(directory, 'mute'), '/v1/status', 50)).rejects.toThrow(
      /no answer within 50 ms/,
    );
    mute.close();
  });
});
