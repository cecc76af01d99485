// SPDX-License-Identifier: Apache-2.0
/**
 * Checks on a detour, from the addon's own sockets: bound to an address that is not this host's where it must be, handed to
 * Node, and gone afterwards. Where they lead to is test/netns/through-vip.test.ts.
 */
import { closeSync, readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { loadAddon } from '../../src/dataplane/native.js';
import type { Checker } from '../../src/health/checker.js';
import { dnsChecker } from '../../src/health/dns.js';
import { httpChecker } from '../../src/health/http.js';
import type { Detour } from '../../src/health/state.js';
import { tcpChecker } from '../../src/health/tcp.js';
import { udpChecker } from '../../src/health/udp.js';
import type { Question } from '../../src/model/index.js';
import { ask } from '../unit/health/support/ask.js';
import { address, dns, http, target } from '../unit/health/support/checks.js';
import { answerWith, record } from '../unit/health/support/dns-messages.js';
import { closedPort, keptPeers, tcpPeer, udpPeer } from '../unit/health/support/peers.js';

const { openCheckSocket } = loadAddon();

/** IP_TRANSPARENT is for CAP_NET_ADMIN (bit 12) and CAP_NET_RAW (13). */
const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
const mayBeTransparent = (BigInt(`0x${effective}`) & (3n << 12n)) !== 0n;

const { kept, close: closePeers } = keptPeers();

const tlsFile = (name: string): Buffer => readFileSync(join(import.meta.dirname, '../fixtures/tls', name));
const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** From 127.0.0.8 to the peer; the target itself is nowhere. */
async function over<Q extends Question>(
  transport: 'tcp' | 'udp',
  checker: Checker<Q>,
  question: Q,
  port: number,
) {
  let released = 0;
  const detour: Detour = {
    destination: { address: address('127.0.0.1'), port },
    open: () => openCheckSocket(transport, '127.0.0.8', 0),
    release: () => (released += 1),
  };
  const result = await ask(checker, question, target(1, { detour }));
  expect(released).toBe(1);
  return result;
}

describe.skipIf(!mayBeTransparent)('a check on a detour', () => {
  it('comes from its source, by TCP, HTTP, HTTPS, UDP and DNS over both', async () => {
    const before = openFiles();
    const response = 'HTTP/1.1 204 No Content\r\n\r\n';
    const answerOnce = (socket: Socket) => socket.once('data', () => socket.write(response));
    const plain = kept(await tcpPeer(answerOnce));
    const secure = kept(
      await tcpPeer(answerOnce, { cert: tlsFile('server.crt'), key: tlsFile('server.key') }),
    );
    const datagrams = kept(await udpPeer((message, reply) => reply(message)));
    const names = kept(
      await udpPeer((query, reply) => reply(answerWith(query, [record(1, Buffer.from([10, 2, 1, 2]))]))),
    );
    const tls = { serverName: null, verify: false, ca: null, certificate: null, key: null };
    const results = [
      await over('tcp', tcpChecker, { kind: 'tcp' }, plain.port),
      await over('tcp', httpChecker, http({}), plain.port),
      await over('tcp', httpChecker, http({ tls }), secure.port),
      await over('tcp', httpChecker, http({ tls }), secure.port),
      await over(
        'udp',
        udpChecker,
        { kind: 'udp', send: Buffer.from('ping'), expect: 'ping' },
        datagrams.port,
      ),
      await over('udp', dnsChecker, dns(), names.port),
    ];
    expect(results.map(({ result, message }) => `${result} ${message}`)).toEqual([
      'good connected',
      'good status 204',
      'good status 204',
      'good status 204',
      'good the reply is as expected',
      'good NOERROR',
    ]);
    await Promise.all([plain.quiet(), secure.quiet()]);
    expect(new Set([...plain.clients, ...secure.clients])).toEqual(new Set(['127.0.0.8']));
    await closePeers();
    await expect.poll(openFiles, { timeout: 5000 }).toBeLessThanOrEqual(before);
  });

  it('is refused, and leaves no socket, where nobody listens', async () => {
    const port = await closedPort();
    const before = openFiles();
    expect(await over('tcp', tcpChecker, { kind: 'tcp' }, port)).toMatchObject({
      result: 'bad',
      message: 'refused',
    });
    expect(await over('tcp', httpChecker, http({}), port)).toMatchObject({ result: 'bad' });
    await expect.poll(openFiles, { timeout: 5000 }).toBeLessThanOrEqual(before);
  });
});

describe.skipIf(!mayBeTransparent)('the socket of a check', () => {
  it('may have an address that this host does not have, of either family', () => {
    for (const source of ['192.0.2.77', '2001:db8::77'])
      for (const transport of ['tcp', 'udp'] as const) closeSync(openCheckSocket(transport, source, 40_001));
  });

  it('says what is wrong as Node does', () => {
    expect(() => openCheckSocket('tcp', 'nowhere', 1)).toThrow(
      expect.objectContaining({ code: 'EINVAL', syscall: expect.stringContaining('bind') as string }),
    );
  });
});
