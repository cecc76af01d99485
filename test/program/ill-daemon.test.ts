// SPDX-License-Identifier: Apache-2.0
/**
 * Commands before a daemon that hangs, hangs up, stops in the middle, is of another version, or is none at all: a sentence and an
 * exit code in bounded time, and never a stack trace.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { httpPeer, jsonPeer, rawPeer, type Peer } from './support/peers.js';
import { run, start } from './support/run.js';

let folder: string;
let peers: Peer[] = [];
let number = 0;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'vsnat-ill-'))));
afterEach(() => {
  for (const peer of peers) peer.close();
  peers = [];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function given(make: (folder: string, name: string) => Promise<Peer>): Promise<string> {
  number += 1;
  const peer = await make(folder, `${number}.sock`);
  peers.push(peer);
  return peer.socket;
}

const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';

describe('an answer that is none', () => {
  it.each<[string, string, RegExp]>([
    ['garbage', 'SSH-2.0-OpenSSH_9.2\r\n', /must be the socket of a running daemon/],
    ['a page', 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>', /the answer is not JSON/],
    [
      'half of one',
      `${head}content-length: 100\r\n\r\n{"services": [`,
      /must be the socket of a running daemon/,
    ],
    ['another JSON', `${head}content-length: 4\r\n\r\nnull`, /got answers of another program/],
    [
      'an error of another program',
      'HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\n{}',
      /got answers of another program/,
    ],
  ])('%s', async (_, text, message) => {
    const socket = await given((at, name) => rawPeer(at, name, (peer) => peer.end(text)));
    for (const words of [['services'], ['stats'], ['ipvsadm', '-Ln'], ['events', '--follow']]) {
      const said = await run(words, { env: { VSNAT_SOCKET: socket } });
      expect([said.code, said.out], said.err).toEqual([5, '']);
      expect(said.err).not.toMatch(/unexpected error|\n {4}at /);
      if (words[0] === 'services') expect(said.err).toMatch(message);
    }
  });

  it('without an end ends all the same', async () => {
    const socket = await given((at, name) =>
      httpPeer(at, name, (_, response) => {
        const pour = (): void => {
          while (!response.destroyed && response.write(' '.repeat(65_536)));
        };
        response.on('drain', pour);
        pour();
      }),
    );
    const said = await run(['status'], { env: { VSNAT_SOCKET: socket } });
    expect([said.code, said.out]).toEqual([5, '']);
    expect(said.err).toMatch(/the answer does not end|no answer within/);
  });
});

describe('a daemon of another version', () => {
  const older = {
    pid: 1,
    version: '0.0.9',
    state: 'ready',
    configFile: '/etc/x',
    startedAt: 0,
    director: {},
  };

  it.each([
    [
      'that answers without what is new',
      { '/v1/status': older, '/v1/services': { services: [{ service: 'web' }] } },
    ],
    ['that does not know the question', { '/v1/status': older }],
  ])('%s is named in the place of a stack trace', async (_, answers) => {
    const socket = await given((at, name) => jsonPeer(at, name, answers));
    const said = await run(['services', '--socket', socket]);
    expect([said.code, said.out]).toEqual([1, '']);
    expect(said.err).toMatch(
      /^vsnat: .*must be a daemon of version \d.*, got 0\.0\.9; restart the daemon.*\n$/,
    );
  });
});

describe('a daemon that hangs', () => {
  it('is waited for ten seconds', async () => {
    const socket = await given((at, name) => rawPeer(at, name, () => undefined));
    const said = await run(['status', '--socket', socket]);
    expect([said.code, said.out]).toEqual([5, '']);
    expect(said.err).toContain('no answer within 10000 ms');
  });

  it.each([
    ['stats', '--watch'],
    ['flows', '--follow'],
    ['events', '--follow'],
  ])('keeps nobody who wants to stop: %s %s', async (...words) => {
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const socket = await given((at, name) => httpPeer(at, name, () => asked()));
    const running = start([...words, '--socket', socket]);
    await isAsked;
    const before = performance.now();
    running.child.kill('SIGINT');
    const said = await running.ended;
    expect([said.code, said.signal, said.err]).toEqual([0, null, '']);
    expect(performance.now() - before).toBeLessThan(8_000); // it would have waited for ten
  });
});

describe('a daemon that stops in the middle', () => {
  const event = (id: number): string =>
    `id: ${id}\nevent: reload\ndata: ${JSON.stringify({ id, at: 0, kind: 'reload', service: null, server: null, text: `number ${id}`, detail: {} })}\n\n`;

  it('of a stream of events: what was heard is shown, then 5', async () => {
    const socket = await given((at, name) =>
      httpPeer(at, name, (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(event(1), () => response.destroy());
      }),
    );
    const said = await run(['events', '--follow', '--socket', socket]);
    expect([said.code, said.out]).toEqual([5, '1970-01-01T00:00:00.000Z reload   number 1\n']);
    expect(said.err).toMatch(/must be the socket of a running daemon/);
  });

  it('and is there again goes on behind the last event, asked no more than once a second', async () => {
    const heard: (string | undefined)[] = [];
    const socket = await given((at, name) =>
      httpPeer(at, name, (request, response) => {
        heard.push(request.headers['last-event-id']?.toString());
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(event(heard.length));
      }),
    );
    const before = performance.now();
    const running = start(['events', '--follow', '--json', '--socket', socket]);
    await running.said('number 3');
    running.child.kill('SIGTERM');
    const said = await running.ended;
    expect([said.code, said.err]).toEqual([0, '']);
    expect(heard.slice(0, 3)).toEqual([undefined, '1', '2']);
    expect(heard.length).toBeLessThanOrEqual(1 + (performance.now() - before) / 1_000);
    expect(
      said.out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: number }).id)
        .slice(0, 3),
    ).toEqual([1, 2, 3]);
  });

  it('of the pages of flows', async () => {
    let page = 0;
    const socket = await given((at, name) =>
      httpPeer(at, name, (_, response) => {
        page += 1;
        if (page > 1) response.destroy();
        else response.end(JSON.stringify({ rows: [], next: 5 }));
      }),
    );
    expect((await run(['flows', '--all', '--socket', socket])).code).toBe(5);
  });
});
