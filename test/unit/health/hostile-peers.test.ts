// SPDX-License-Identifier: Apache-2.0
/** What peers may do to a check: nothing, garbage, a gigabyte, one byte at a time. It ends in time, small, and bad. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { agentChecker } from '../../../src/health/agent.js';
import type { Asking, Finish, Target } from '../../../src/health/checker.js';
import { dnsChecker } from '../../../src/health/dns.js';
import { httpChecker } from '../../../src/health/http.js';
import { tcpChecker } from '../../../src/health/tcp.js';
import { udpChecker } from '../../../src/health/udp.js';
import type { Question, TlsOptions } from '../../../src/model/index.js';
import { ask } from './support/ask.js';
import { dns, http, target, tcp } from './support/checks.js';
import { flood, tcpPeer, udpPeer, type TcpPeer } from './support/peers.js';

const timeoutMs = 150;
const unverified: TlsOptions = { serverName: null, verify: false, ca: null, certificate: null, key: null };
const tlsFile = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../fixtures/tls', name), 'utf8');

interface AnyChecker {
  ask(question: never, target: Target, finish: Finish): Asking;
}

/** Kinds that speak over a stream, each with a question that makes it read all it may read. */
const streams: readonly [name: string, checker: AnyChecker, question: Question][] = [
  ['http', httpChecker, http({ body: 'never' })],
  ['https', httpChecker, http({ body: 'never', tls: unverified })],
  ['dns over tcp', dnsChecker, dns({ transport: 'tcp' })],
  ['agent', agentChecker, { kind: 'agent', send: '' }],
];

const drip = (socket: Socket, piece: string): void => {
  const timer = setInterval(() => socket.write(piece), 20);
  socket.once('close', () => clearInterval(timer));
};
const piece = randomBytes(64 * 1024);

const peers: readonly [name: string, behave: (socket: Socket) => void][] = [
  ['says nothing', () => undefined],
  ['closes at once', (socket) => socket.end()],
  ['resets at once', (socket) => (socket instanceof TLSSocket ? socket.destroy() : socket.resetAndDestroy())],
  ['sends garbage', (socket) => socket.write(randomBytes(1000))],
  ['sends a gigabyte of garbage', (socket) => flood(socket, piece)],
  ['sends a gigabyte of nothing', (socket) => flood(socket, Buffer.alloc(64 * 1024))],
  [
    'sends a gigabyte of HTTP',
    (socket) => (socket.write('HTTP/1.1 200 OK\r\n\r\n'), flood(socket, Buffer.alloc(64 * 1024, 'x'))),
  ],
  [
    'sends endless headers',
    (socket) => (socket.write('HTTP/1.1 200 OK\r\n'), flood(socket, Buffer.alloc(64 * 1024, 'x: y\r\n'))),
  ],
  [
    'sends endless interim responses',
    (socket) => flood(socket, Buffer.alloc(62_500, 'HTTP/1.1 100 Continue\r\n\r\n')),
  ],
  [
    'sends a gigabyte in chunks of a byte',
    (socket) => (
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'),
      flood(socket, Buffer.alloc(60_000, '1\r\nx\r\n'))
    ),
  ],
  [
    'resets half way',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx');
      setTimeout(() => (socket instanceof TLSSocket ? socket.destroy() : socket.resetAndDestroy()), 30);
    },
  ],
  [
    'sends a TLS record that is too large',
    (socket) => (socket.write(Buffer.from([22, 3, 3, 0xff, 0xff])), flood(socket, Buffer.alloc(64 * 1024))),
  ],
  [
    'begins a TLS message of 16 MB',
    (socket) => (
      socket.write(Buffer.from([22, 3, 3, 0x40, 0, 2, 0xff, 0xff, 0xff])),
      flood(socket, Buffer.alloc(64 * 1024))
    ),
  ],
  ['sends empty TLS records', (socket) => flood(socket, Buffer.alloc(50_000, Buffer.from([22, 3, 3, 0, 0])))],
  ['sends one byte now and then', (socket) => drip(socket, 'H')],
  [
    'sends HTTP one byte now and then',
    (socket) => (socket.write('HTTP/1.1 200 OK\r\n\r\n'), drip(socket, 'x')),
  ],
  ['promises much and goes away', (socket) => socket.end(Buffer.from([0xff, 0xff, 1, 2, 3]))],
];

async function measured(checker: AnyChecker, question: Question, peer: TcpPeer): Promise<void> {
  const memory = process.memoryUsage().rss;
  const from = performance.now();
  const result = await ask(checker as never, question, target(peer.port, { timeoutMs }));
  expect(result.result).toBe('bad');
  expect(result.message.length).toBeLessThanOrEqual(200);
  expect(result.durationMs).toBeLessThan(timeoutMs + 400); // a busy machine; the deadline itself is attempt.ts's
  expect(performance.now() - from).toBeGreaterThanOrEqual(result.durationMs - 1);
  expect(process.memoryUsage().rss - memory).toBeLessThan(200 * 2 ** 20);
  await peer.quiet(); // the connection is gone, although the peer never closed it
}

describe.each(streams)('%s survives a peer that', (name, checker, question) => {
  it.each(peers)('%s', async (_, behave) => {
    const peer = await tcpPeer(behave);
    await measured(checker, question, peer);
    await peer.close();
  });

  if (name !== 'https') return;
  it.each(peers)('within TLS %s', async (_, behave) => {
    const peer = await tcpPeer(behave, { key: tlsFile('server.key'), cert: tlsFile('server.crt') });
    await measured(checker, question, peer);
    await peer.close();
  });
});

it.each(peers.filter(([name]) => !name.includes('reset')))(
  'tcp is content with a peer that %s, and leaves',
  async (_, behave) => {
    const peer = await tcpPeer(behave);
    expect(await ask(tcpChecker as never, tcp, target(peer.port))).toMatchObject({ result: 'good' });
    await peer.quiet();
    await peer.close();
  },
);

describe.each([
  ['dns', dnsChecker, dns()],
  ['udp', udpChecker, { kind: 'udp', send: Buffer.from('?'), expect: '^never$' }],
] as const)('%s survives a peer that', (_, checker, question) => {
  it.each([
    ['says nothing', () => undefined],
    [
      'sends garbage',
      (message: Buffer, reply: (bytes: Buffer) => void) => reply(randomBytes(message.length)),
    ],
    ['echoes', (message: Buffer, reply: (bytes: Buffer) => void) => reply(message)],
    [
      'sends nothing, often',
      (__: Buffer, reply: (bytes: Buffer) => void) =>
        Array.from({ length: 200 }, () => reply(Buffer.alloc(0))),
    ],
    [
      'sends a megabyte',
      (__: Buffer, reply: (bytes: Buffer) => void) =>
        Array.from({ length: 20 }, () => reply(randomBytes(50_000))),
    ],
  ])('%s', async (__, behave) => {
    const peer = await udpPeer(behave);
    const result = await ask(checker as never, question as Question, target(peer.port, { timeoutMs }));
    expect(result.result).toBe('bad');
    expect(result.message.length).toBeLessThanOrEqual(200);
    await peer.close();
  });
});

/** As `lsof -p` counts; of what else this test process has open there is no change meanwhile. */
let descriptors = 0;
const open = (): number => readdirSync('/proc/self/fd').length;
beforeAll(() => {
  descriptors = open();
});
afterAll(() => {
  expect(open()).toBeLessThanOrEqual(descriptors + 2);
});
