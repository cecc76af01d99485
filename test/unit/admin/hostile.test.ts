// SPDX-License-Identifier: Apache-2.0
/** Clients that are slow, endless, broken or deaf, each against a server with short limits; the daemon answers the next one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { ErrorAnswer } from '../../../src/admin/api.js';
import { getJson } from '../../../src/admin/client.js';
import { maxBodyBytes } from '../../../src/admin/route.js';
import { openAdmin, type AdminServer } from '../../../src/admin/server.js';
import { Listing } from '../../../src/director/listing.js';
import type { ServiceListing } from '../../../src/director/report.js';
import { fakeActions } from './actions.js';

const identity = { pid: 1, version: '0', configFile: 'x', startedAt: 5 };
const limits = { headersMs: 300, requestMs: 600, idleMs: 500 };

let directory: string;
let socket: string;
let server: AdminServer;
let changes: number;
const failures: unknown[] = [];
/** An answer larger than any buffer between here and there. */
const big = new Listing(
  20_000,
  () => '',
  () =>
    ({
      service: 'x'.repeat(500),
      servers: new Listing(
        0,
        () => '',
        () => undefined as never,
      ),
    }) as unknown as ServiceListing,
);

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vsnat-hostile-'));
  socket = join(directory, 'vsnat.sock');
  failures.length = 0;
  changes = 0;
  server = await openAdmin({ socket, identity, limits, onFailure: (error) => failures.push(error) });
  server.attach(
    fakeActions({
      services: () => big,
      change: () => {
        changes += 1;
        return Promise.resolve({ changes: [], notes: [], dryRun: false, revision: 1 });
      },
    }),
  );
});

afterEach(async () => {
  expect((await getJson(socket, '/v1/status')).status).toBe(200); // whatever was done, the next one is served
  expect(failures).toEqual([]); // and nothing of it is a bug
  await server.close();
  rmSync(directory, { recursive: true, force: true });
});

interface Peer {
  readonly socket: Socket;
  readonly heard: () => string;
  readonly isClosed: () => boolean;
}

function peer(text = '', { deaf = false } = {}): Peer {
  const talk = connect(socket);
  let heard = '';
  let isClosed = false;
  talk.on('error', () => undefined);
  talk.on('close', () => (isClosed = true));
  if (!deaf) talk.on('data', (piece: Buffer) => (heard += piece.toString('latin1')));
  if (text !== '') talk.write(text, 'latin1');
  return { socket: talk, heard: () => heard, isClosed: () => isClosed };
}

const closed = (one: Peer): Promise<unknown> => expect.poll(one.isClosed, { timeout: 5_000 }).toBe(true);
const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
/** What an answer says was wrong; it has the shape of all errors. */
function refusalIn(text: string): string {
  const [top = '', body = ''] = text.split('\r\n\r\n');
  expect(top.toLowerCase()).toContain('content-type: application/json');
  const { error } = JSON.parse(body) as ErrorAnswer;
  expect(['HTTP', 'VSNAT_USAGE']).toContain(error.code);
  return error.message;
}
const head = (method: string, path: string, ...headers: string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: vsnat', ...headers, '', ''].join('\r\n');

/** Sends a piece again and again until the peer is hung up on. */
async function drip(one: Peer, piece: string, everyMs: number): Promise<void> {
  const timer = setInterval(() => one.socket.write(piece), everyMs);
  await closed(one);
  clearInterval(timer);
}

describe('a client that is slow', () => {
  it('with its headers is told so and hung up on', async () => {
    const slow = peer('GET /v1/status HTTP/1.1\r\nHost: a\r\n');
    await drip(slow, 'X-a: b\r\n', 50);
    expect(statusOf(slow.heard())).toBe(408);
    expect(slow.heard()).toContain('"message":"request: must be whole in time"');
  });

  it('with its body, a byte at a time, is too', async () => {
    const slow = peer(head('POST', '/v1/change', 'Content-Type: application/json', 'Content-Length: 1000'));
    await drip(slow, ' ', 50);
    expect(statusOf(slow.heard())).toBe(408);
    expect(changes).toBe(0);
  });

  it('and says nothing at all is hung up on', async () => {
    await closed(peer());
  });

  it('and does not read a long answer is hung up on, and the answer with it', async () => {
    const deaf = peer(head('GET', '/v1/services'), { deaf: true });
    await drip(deaf, '\r\n', limits.idleMs + 200); // without reading, it learns of the end only by writing
  });

  it('is in nobody’s way: sixty of them, and the next one is served', async () => {
    const slow = Array.from({ length: 60 }, () => peer('GET /v1/status HTTP/1.1\r\nHost: a\r\n'));
    await expect.poll(() => slow.every((one) => one.socket.readyState === 'open')).toBe(true);
    expect((await getJson(socket, '/v1/status')).status).toBe(200);
    await Promise.all(slow.map(closed));
  });

  it('is turned away beyond the number of connections, and there is room again once they are gone', async () => {
    const many = Array.from({ length: 200 }, () => peer());
    await expect.poll(() => many.filter((one) => one.isClosed()).length).toBeGreaterThanOrEqual(136);
    expect(
      server.facts.rejected.find(({ reason }) => reason === 'connections')?.count,
    ).toBeGreaterThanOrEqual(136);
    await Promise.all(many.map(closed));
  });
});

describe('a client that sends too much', () => {
  it('of headers', async () => {
    const long = peer(head('GET', '/v1/status', `X-Long: ${'x'.repeat(10_000)}`));
    await closed(long);
    expect(statusOf(long.heard())).toBe(431);
    expect(refusalIn(long.heard())).toBe('headers: must be at most 8 KiB');
  });

  it('of URL', async () => {
    const long = peer(head('GET', `/v1/flows?client=${'1'.repeat(9_000)}`));
    await closed(long);
    expect(statusOf(long.heard())).toBe(431);
    const shorter = peer(head('GET', `/v1/flows?client=${'1'.repeat(7_000)}`, 'Connection: close'));
    await closed(shorter);
    expect(statusOf(shorter.heard())).toBe(400);
    expect(shorter.heard().length).toBeLessThan(1_000); // not all of it comes back
  });

  it.each([
    ['that it announces', `Content-Length: ${2 ** 30}`, ''],
    ['that it does not announce', 'Transfer-Encoding: chunked', '10000\r\n'],
  ])('of body %s: it stops early, and memory does not grow', async (_, header, chunk) => {
    const long = peer(head('POST', '/v1/weight', 'Content-Type: application/json', header));
    const before = process.memoryUsage().arrayBuffers;
    const piece = Buffer.alloc(65_536, 'x');
    let sent = 0;
    while (!long.isClosed() && sent < 2 ** 30) {
      if (chunk !== '') long.socket.write(chunk);
      const flows = long.socket.write(piece);
      if (chunk !== '') long.socket.write('\r\n');
      sent += piece.length;
      await new Promise((resolve) => setTimeout(resolve, flows ? 0 : 5));
    }
    expect(long.isClosed()).toBe(true);
    expect(sent).toBeLessThan(maxBodyBytes + 64 * 2 ** 20);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
    expect(server.facts.requests.find(({ code }) => code === 413)?.count).toBe(1);
  });
});

describe('a client that is broken', () => {
  it.each([
    ['says no HTTP', '\x00\x01\x02 hello\r\n\r\n'],
    ['speaks TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['speaks HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['has no host', 'GET /v1/status HTTP/1.1\r\n\r\n'],
    ['has a null byte in a header', 'GET /v1/status HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n'],
    ['has a null byte in its URL', 'GET /v1/\x00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['has broken chunks', `${head('POST', '/v1/weight', 'Transfer-Encoding: chunked')}zz\r\n{}\r\n0\r\n\r\n`],
    ['has two lengths', head('POST', '/v1/weight', 'Content-Length: 2', 'Content-Length: 3')],
    [
      'has a length and chunks',
      head('POST', '/v1/weight', 'Content-Length: 2', 'Transfer-Encoding: chunked'),
    ],
    [
      'has chunks that are something else at the end',
      head('POST', '/v1/weight', 'Transfer-Encoding: chunked, identity'),
    ],
    ['has a space before a colon', head('POST', '/v1/weight', 'Transfer-Encoding : chunked')],
    ['has a folded header', head('POST', '/v1/weight', 'X-A: b', ' Content-Length: 5')],
    ['ends its lines with a bare return', 'GET /v1/status HTTP/1.1\rHost: a\r\r'],
    ['has a length in two words', head('POST', '/v1/weight', 'Content-Length: 2, 2')],
    ['has a length with a sign', head('POST', '/v1/weight', 'Content-Length: +2')],
    ['has a length below nothing', head('POST', '/v1/weight', 'Content-Length: -2')],
    ['has two hosts', head('GET', '/v1/status', 'Host: b', 'Connection: close')],
    ['has a line that is none', 'GET\r\n\r\n'],
    ['has a version that is none', 'GET /v1/status HTTP/9.9\r\nHost: a\r\n\r\n'],
    ['has a header without a name', head('GET', '/v1/status', ': x')],
    ['names a path that is none', head('GET', '*', 'Connection: close')],
  ])('%s', async (_, text) => {
    const broken = peer(text);
    await closed(broken);
    expect([400, 404]).toContain(statusOf(broken.heard()));
    expect(refusalIn(broken.heard())).toMatch(/^[a-z]+: must /);
    expect(changes).toBe(0);
  });

  it.each(['TRACE', 'OPTIONS', 'PUT', 'PATCH', 'CONNECT', 'BREW'])('says %s', async (method) => {
    const odd = peer(head(method, '/v1/status', 'Connection: close'));
    await closed(odd);
    expect([400, 405]).toContain(statusOf(odd.heard()));
    expect(refusalIn(odd.heard())).toMatch(/^(method|request): must be /);
  });

  it('says what is no HTTP behind requests, and each is answered in turn', async () => {
    const odd = peer(`${head('GET', '/v1/status')}${head('GET', '/v1/nothing')}hello\r\n\r\n`);
    await closed(odd);
    const statuses = [...odd.heard().matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, one]) => Number(one));
    expect(statuses).toEqual([200, 404, 400]);
  });

  it('says what is no HTTP behind a stream of events, and the stream ends when it leaves', async () => {
    const odd = peer(`${head('GET', '/v1/events')}hello\r\n\r\n`);
    await expect.poll(odd.heard).toContain('text/event-stream');
    expect(server.facts.streams).toBe(1);
    odd.socket.destroy();
    await expect.poll(() => server.facts.streams).toBe(0);
  });

  it.each(['/v1/status', '/v1/events'])('says CONNECT behind GET %s, and is hung up on', async (path) => {
    await closed(peer(head('GET', path) + head('CONNECT', 'a:1')));
    await expect.poll(() => server.facts.streams).toBe(0);
  });

  it('has another expectation than one', async () => {
    const odd = peer(head('POST', '/v1/weight', 'Expect: the-spanish-inquisition', 'Content-Length: 2'));
    await closed(odd);
    expect(statusOf(odd.heard())).toBe(417);
    expect(refusalIn(odd.heard())).toBe('expect: must be 100-continue or left out');
  });

  it('has no host, but speaks HTTP/1.0, and is answered', async () => {
    const old = peer('GET /v1/status HTTP/1.0\r\n\r\n');
    await closed(old);
    expect(statusOf(old.heard())).toBe(200);
  });

  it('leaves in the middle of its body', async () => {
    const gone = peer(
      `${head('POST', '/v1/change', 'Content-Type: application/json', 'Content-Length: 500')}{"op`,
    );
    await expect.poll(() => gone.socket.readyState).toBe('open');
    gone.socket.destroy();
    await closed(gone);
    expect(changes).toBe(0);
  });

  it('closes its half in the middle of its body', async () => {
    const half = peer(
      `${head('POST', '/v1/change', 'Content-Type: application/json', 'Content-Length: 500')}{"op`,
    );
    half.socket.end();
    await closed(half);
    expect(changes).toBe(0);
  });

  it('closes its half after a whole request, and is answered', async () => {
    const half = peer(head('GET', '/v1/status'));
    half.socket.end();
    await closed(half);
    expect(statusOf(half.heard())).toBe(200);
  });
});

describe('a client in a hurry', () => {
  it('that sends requests before it has the answers gets them in order', async () => {
    const fast = peer(
      head('GET', '/v1/status') +
        head('GET', '/v1/nothing') +
        head('GET', '/v1/table') +
        head('GET', '/v1/flows?limit=x', 'Connection: close'),
    );
    await closed(fast);
    const statuses = [...fast.heard().matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
    expect(statuses).toEqual([200, 404, 200, 400]);
  });

  it('has nothing it sent behind a refused body taken for a request', async () => {
    const hidden =
      head('POST', '/v1/change', 'Content-Type: application/json', 'Content-Length: 17') +
      '{"operations":[]}';
    const smuggler = peer(
      head('POST', '/v1/weight', 'Content-Encoding: gzip', `Content-Length: ${hidden.length}`) + hidden,
    );
    await closed(smuggler);
    expect(statusOf(smuggler.heard())).toBe(415);
    expect([...smuggler.heard().matchAll(/HTTP\/1\.1/g)]).toHaveLength(1);
    expect(changes).toBe(0);
  });
});
