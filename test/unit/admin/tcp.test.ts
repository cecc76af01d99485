// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { askJson } from '../../../src/admin/client.js';
import { listen } from '../../../src/admin/event-client.js';
import { credentialsOf, peerOf, type Credentials } from '../../../src/admin/peer.js';
import { routes } from '../../../src/admin/routes/index.js';
import { openAdmin, type AdminOptions, type AdminServer } from '../../../src/admin/server.js';
import { isAddressed, isFromPage } from '../../../src/admin/gate.js';
import { parseEndpoint, type Endpoint } from '../../../src/model/index.js';
import { fakeActions } from './actions.js';
import { makePki, type Pki } from './pki.js';
import { mistakesOf } from './strict.js';

const token = 'correct-horse-battery';
const identity = { pid: 1, version: '0', configFile: 'x', startedAt: 5 };

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new Error(text);
  return { ...parsed.value, port: parsed.value.port === 1 ? 0 : parsed.value.port };
}

let directory: string;
let pki: Pki;
const opened: AdminServer[] = [];
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'vsnat-tcp-'));
  pki = makePki(directory);
});
beforeEach(() => writeToken(`${token}\n`));
afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const tokenFile = (): string => join(directory, 'token');
function writeToken(text: string, mode = 0o640): void {
  writeFileSync(tokenFile(), text);
  chmodSync(tokenFile(), mode);
}

type Settings = NonNullable<AdminOptions['settings']>;
const warnings: string[] = [];

async function open(settings: Partial<Settings>, more: Partial<AdminOptions> = {}): Promise<AdminServer> {
  const server = await openAdmin({
    socket: join(directory, `${opened.length}.sock`),
    settings: {
      mode: 0o660,
      group: null,
      listen: endpoint('127.0.0.1:1'),
      tokenFile: null,
      tls: null,
      ...settings,
    },
    identity,
    onFailure: (error) => {
      throw error;
    },
    warn: (sentence) => warnings.push(sentence),
    tokenDelayMs: 20,
    ...more,
  });
  opened.push(server);
  server.attach(fakeActions());
  return server;
}

const withTls = (clientCa: string | null = null): Partial<Settings> => ({
  tls: { certificate: pki.certificate, key: pki.key, clientCa },
});

const get = (server: AdminServer, credentials: Credentials, scheme = 'http') =>
  askJson(peerOf(`${scheme}://127.0.0.1:${server.port}`, credentials), {
    method: 'GET',
    path: '/v1/services',
  });

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** With exactly these headers. */
function raw(
  server: AdminServer,
  headers: Readonly<Record<string, string>>,
  path = '/v1/services',
  method = 'GET',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: server.port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: text === '' ? null : JSON.parse(text),
          headers: response.headers,
        }),
      );
    })
      .on('error', reject)
      .end();
  });
}

const bearer = { authorization: `Bearer ${token}` };

describe('the admin API over TCP', () => {
  it('is not there unless it is configured', async () => {
    expect((await open({ listen: null })).port).toBeNull();
  });

  it('does not start without a token or an authority for clients', async () => {
    await expect(open({})).rejects.toThrow(
      'admin.listen: must come with admin.token_file or admin.tls.client_ca',
    );
    await expect(open(withTls())).rejects.toThrow('must come with');
  });

  it('does not speak plain HTTP but on loopback', async () => {
    await expect(open({ listen: endpoint('0.0.0.0:1'), tokenFile: tokenFile() })).rejects.toThrow(
      'admin.listen: must be a loopback address without admin.tls, got 0.0.0.0',
    );
  });

  it('lets in whoever has the token, for events too', async () => {
    const server = await open({ tokenFile: tokenFile() });
    expect((await get(server, { token })).status).toBe(200);
    expect((await get(server, { tokenFile: tokenFile() })).status).toBe(200);
    const peer = peerOf(`http://127.0.0.1:${server.port}`, { token });
    const abort = new AbortController();
    expect((await listen(peer, { signal: abort.signal })).status).toBe(200);
    expect(server.facts.streams).toBe(1);
    abort.abort();
  });

  it('tells everybody else nothing, on every route, known or not, and counts and logs it', async () => {
    const server = await open({ tokenFile: tokenFile() });
    warnings.length = 0;
    for (const { method, path } of routes) {
      const { status, body, headers } = await raw(server, {}, path, method);
      expect([status, body]).toEqual([401, { error: { code: 'HTTP', message: 'not authorized' } }]);
      expect(headers).toMatchObject({ 'www-authenticate': 'Bearer', connection: 'close' });
    }
    expect((await raw(server, {}, '/nothing')).status).toBe(401);
    for (const authorization of ['', 'Bearer', `Bearer ${token}x`, `Basic ${token}`, `bearer  ${token} x`])
      expect((await raw(server, { authorization })).status, authorization).toBe(401);
    const count = server.facts.rejected.find(({ reason }) => reason === 'token')?.count;
    expect(count).toBe(routes.length + 6);
    expect(server.facts.requests).toEqual([{ route: 'none', code: 401, count }]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^admin API: a request was turned away; the last: token from 127\.0\.0\.1$/,
      ) as string,
    ]);
  });

  it('makes wrong tokens slow and few, and never the right one', async () => {
    const server = await open({ tokenFile: tokenFile() }, { tokenDelayMs: 400 });
    const begun = performance.now();
    const guesses = Promise.all(
      Array.from({ length: 12 }, (_, index) => raw(server, { authorization: `Bearer guess-${index}` })),
    );
    expect((await raw(server, bearer)).status).toBe(200);
    expect(performance.now() - begun).toBeLessThan(400);
    const statuses = (await guesses).map(({ status }) => status).toSorted();
    expect(statuses).toEqual([...Array<number>(4).fill(401), ...Array<number>(8).fill(429)]);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(390);
    const [route] = routes;
    if (route === undefined) throw new Error('no routes');
    const [one] = (await guesses).filter(({ status }) => status === 429);
    expect(mistakesOf(route, 429, one?.body)).toEqual([]);
  });

  it('turns pages of a browser away before it looks at tokens', async () => {
    const server = await open({ tokenFile: tokenFile() });
    const [route] = routes;
    if (route === undefined) throw new Error('no routes');
    for (const headers of [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example' },
      { host: 'evil.example:9192' },
      { host: '127.0.0.1.evil.example' },
    ] as Record<string, string>[]) {
      const { status, body, headers: answered } = await raw(server, { ...bearer, ...headers });
      expect([status, mistakesOf(route, status, body)]).toEqual([403, []]);
      expect(Object.keys(answered).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
    expect((await raw(server, { ...bearer, host: 'localhost:1' })).status).toBe(200);
    expect((await raw(server, { ...bearer, host: '[::1]:9192' })).status).toBe(200);
    expect((await raw(server, { ...bearer, 'sec-fetch-site': 'none' })).status).toBe(200);
    expect((await raw(server, { ...bearer, origin: 'x' }, '/v1/services', 'OPTIONS')).status).toBe(403);
  });

  it('has no more connections of one address than it should, and room for another once they are gone', async () => {
    const server = await open({ tokenFile: tokenFile() });
    let ended = 0;
    const sockets = Array.from({ length: 200 }, () =>
      connect(server.port ?? 0, '127.0.0.1')
        .on('error', () => undefined)
        .on('close', () => (ended += 1))
        .resume(),
    );
    await expect.poll(() => ended).toBe(184);
    expect(server.facts.rejected.find(({ reason }) => reason === 'connections')?.count).toBe(184);
    for (const socket of sockets) socket.destroy();
    await expect
      .poll(async () => (await get(server, { token }).catch(() => ({ status: 0 }))).status)
      .toBe(200);
  });
});

describe('a file of tokens', () => {
  it.each([
    [
      'that everybody may read',
      `${token}\n`,
      0o644,
      'must not be open to everybody, got mode 0644; chmod o= ',
    ],
    ['that everybody may write', `${token}\n`, 0o602, 'must not be open to everybody'],
    ['with nothing in it', '\n \n', 0o600, 'must hold 1 to 16 tokens, one a line, got 0'],
    ['with a token too short', 'secret\n', 0o600, 'must hold tokens of at least 16 letters'],
    ['with a token of two words', 'correct horse battery staple\n', 0o600, 'got another one as number 1'],
    ['that is no file of tokens', 'x'.repeat(10_000), 0o600, 'must be at most 8192 bytes'],
  ])('%s keeps the daemon from starting', async (_, text, mode, message) => {
    writeToken(text, mode);
    const opening = open({ tokenFile: tokenFile() });
    await expect(opening).rejects.toMatchObject({ code: 'VSNAT_CONFIG_INVALID' });
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.not.toThrow('horse');
  });

  it('that is not there, or no file, says so', async () => {
    await expect(open({ tokenFile: join(directory, 'none') })).rejects.toThrow('got ENOENT');
    await expect(open({ tokenFile: directory })).rejects.toThrow('must be a regular file');
  });

  it('may hold an old and a new one, and is read again without a moment in which neither is known', async () => {
    const server = await open({ tokenFile: tokenFile() });
    const next = 'another-horse-battery';
    writeToken(`${next}\n${token}\n`);
    expect((await get(server, { token: next })).status).toBe(401);
    (await server.renew())();
    expect((await get(server, { token: next })).status).toBe(200);
    expect((await get(server, { token })).status).toBe(200);
    writeToken(`${next}\n`);
    (await server.renew())();
    expect((await get(server, { token })).status).toBe(401);
  });

  it('that cannot be used any more leaves the old one in force', async () => {
    const server = await open({ tokenFile: tokenFile() });
    writeToken('short\n');
    await expect(server.renew()).rejects.toMatchObject({ code: 'VSNAT_CONFIG_INVALID' });
    expect((await get(server, { token })).status).toBe(200);
  });
});

describe('TLS', () => {
  const client = (): Credentials => ({
    ca: pki.ca,
    certificate: pki.clientCertificate,
    key: pki.clientKey,
  });

  it('carries the token, with a certificate that the client checks', async () => {
    const server = await open({ tokenFile: tokenFile(), ...withTls() });
    expect((await get(server, { token, ca: pki.ca }, 'https')).status).toBe(200);
    await expect(get(server, { token }, 'https')).rejects.toThrow(
      'name the authority of its certificate with --ca (or VSNAT_CA)',
    );
    await expect(get(server, { token }, 'http')).rejects.toMatchObject({ code: 'VSNAT_UNREACHABLE' });
  });

  it('lets in a client with a certificate of the authority, and none of another or without', async () => {
    const server = await open(withTls(pki.ca));
    expect((await get(server, client(), 'https')).status).toBe(200);
    await expect(get(server, { ca: pki.ca }, 'https')).rejects.toMatchObject({ code: 'VSNAT_UNREACHABLE' });
    const stranger = { ...client(), certificate: pki.strangerCertificate, key: pki.strangerKey };
    await expect(get(server, stranger, 'https')).rejects.toMatchObject({ code: 'VSNAT_UNREACHABLE' });
    expect(server.facts.rejected.find(({ reason }) => reason === 'tls')?.count).toBeGreaterThanOrEqual(2);
  });

  it('asks for both where both are configured', async () => {
    const server = await open({ tokenFile: tokenFile(), ...withTls(pki.ca) });
    expect((await get(server, { ...client(), token }, 'https')).status).toBe(200);
    expect((await get(server, client(), 'https')).status).toBe(401);
    await expect(get(server, { token, ca: pki.ca }, 'https')).rejects.toMatchObject({
      code: 'VSNAT_UNREACHABLE',
    });
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('is not spoken as %s', async (version) => {
    const server = await open({ tokenFile: tokenFile(), ...withTls() });
    const error = await new Promise<Error | null>((resolve) => {
      const socket = connectTls(
        {
          host: '127.0.0.1',
          port: server.port ?? 0,
          minVersion: version,
          maxVersion: version,
          ciphers: 'DEFAULT@SECLEVEL=0',
          rejectUnauthorized: false,
        },
        () => resolve(null),
      );
      socket.on('error', resolve);
    });
    expect(error).not.toBeNull();
  });

  it('takes names that its certificate proves, and no other', async () => {
    const proven = (name: string): boolean => name === 'director.example';
    expect(isAddressed('director.example:9192', proven)).toBe(true);
    expect(isAddressed('evil.example', proven)).toBe(false);
    const server = await open({ tokenFile: tokenFile(), ...withTls() });
    const peer = peerOf(`https://127.0.0.1:${server.port}`, { token, ca: pki.ca });
    const options = { ...peer.options, checkServerIdentity: () => undefined };
    const named = (host: string) =>
      askJson(
        { ...peer, options, headers: { ...peer.headers, host } },
        { method: 'GET', path: '/v1/services' },
      );
    expect((await named('director.example')).status).toBe(200);
    expect((await named('evil.example')).status).toBe(403);
  });

  it('does not start with a key that is not the certificate’s, or that everybody may read', async () => {
    const wrong = { certificate: pki.certificate, key: pki.clientKey, clientCa: null };
    await expect(open({ tokenFile: tokenFile(), tls: wrong })).rejects.toThrow(
      'admin.tls: must have a certificate and its key in PEM',
    );
    chmodSync(pki.key, 0o644);
    await expect(open({ tokenFile: tokenFile(), ...withTls() })).rejects.toThrow(
      /^admin\.tls\.key: .* must not be open to everybody, got mode 0644/,
    );
    chmodSync(pki.key, 0o600);
  });
});

describe('a place to ask', () => {
  it.each([
    ['/run/vsnat.sock', { socketPath: '/run/vsnat.sock' }],
    ['http://127.0.0.1:9192', { host: '127.0.0.1', port: 9192 }],
    ['https://[2001:db8::1]:9192', { host: '2001:db8::1', port: 9192 }],
    ['https://director.example', { host: 'director.example', port: 443 }],
  ])('%s', (where, options) => {
    expect(peerOf(where).options).toMatchObject(options);
  });

  it.each(['http://', 'http://a/b', 'http://u:p@a', 'http://a?x=1'])('is not %s', (where) => {
    expect(() => peerOf(where)).toThrow('socket: must be a path or http(s)://host:port');
  });

  it('has its credentials from the environment', () => {
    expect(credentialsOf({ VSNAT_TOKEN: 't', VSNAT_CA: 'ca', VSNAT_KEY: '', HOME: '/' })).toEqual({
      token: 't',
      ca: 'ca',
    });
    expect(() => peerOf('http://a', { tokenFile: '/nothing' })).toThrow('got ENOENT');
  });

  it('knows a page by what browsers send', () => {
    expect([{ origin: 'null' }, { 'sec-fetch-site': 'same-origin' }, {}].map(isFromPage)).toEqual([
      true,
      true,
      false,
    ]);
  });
});
