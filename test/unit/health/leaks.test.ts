// SPDX-License-Identifier: Apache-2.0
/** A daemon asks for months: what a check has used it gives back, down to the last timer and descriptor. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, it } from 'vitest';

import { agentChecker } from '../../../src/health/agent.js';
import { dnsChecker } from '../../../src/health/dns.js';
import { httpChecker } from '../../../src/health/http.js';
import { tcpChecker } from '../../../src/health/tcp.js';
import type { Question } from '../../../src/model/index.js';
import { ask } from './support/ask.js';
import { dns, http, target, tcp } from './support/checks.js';
import { answerWith } from './support/dns-messages.js';
import { tcpPeer, udpPeer } from './support/peers.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const unverified = { serverName: null, verify: false, ca: null, certificate: null, key: null };
const tlsFile = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../fixtures/tls', name), 'utf8');
const pair = { key: tlsFile('server.key'), cert: tlsFile('server.crt') };

const used = (): { heap: number; timers: number; descriptors: number } => {
  collect();
  return {
    heap: process.memoryUsage().heapUsed,
    timers: process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
};

it.each<[string, { ask: unknown }, Question, rounds: number]>([
  ['tcp', tcpChecker, tcp, 40],
  ['http', httpChecker, http({ body: '^ok' }), 40],
  ['https', httpChecker, http({ tls: unverified }), 10],
  ['agent', agentChecker, { kind: 'agent', send: 'x' }, 40],
  ['dns', dnsChecker, dns(), 40],
])('checks of type %s leave nothing behind', async (kind, checker, question, rounds) => {
  const response = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok\n';
  const peer = await tcpPeer(
    (socket) => {
      socket.once('data', () => socket.end(question.kind === 'agent' ? 'up\n' : response));
      socket.once('end', () => socket.end());
    },
    kind === 'https' ? pair : undefined,
  );
  const udp = await udpPeer((query, reply) => reply(answerWith(query, [])));
  const port = question.kind === 'dns' ? udp.port : peer.port;
  const run = async (times: number): Promise<void> => {
    for (let round = 0; round < times; round += 1) {
      const results = await Promise.all(
        Array.from({ length: 50 }, () =>
          ask(checker as never, question, target(port, { timeoutMs: 10_000 })),
        ),
      );
      expect(results.every(({ result }) => result === 'good')).toBe(true);
      peer.received.length = peer.clients.length = udp.clients.length = 0;
    }
    await peer.quiet();
  };
  await run(4);
  const before = used();
  await run(rounds);
  const after = used();
  expect(after.heap - before.heap).toBeLessThan(1024 * 1024); // of 2,000 checks, 500 of https
  expect(after.timers).toBeLessThanOrEqual(before.timers);
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
  await peer.close();
  await udp.close();
});
