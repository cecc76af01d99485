// SPDX-License-Identifier: Apache-2.0
/** A daemon asks for months: what a check has used it gives back, down to the last timer and descriptor. */
import { readdirSync } from 'node:fs';
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

const used = (): { heap: number; timers: number; descriptors: number } => {
  collect();
  return {
    heap: process.memoryUsage().heapUsed,
    timers: process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
};

it.each<[string, { ask: unknown }, Question]>([
  ['tcp', tcpChecker, tcp],
  ['http', httpChecker, http({ body: '^ok' })],
  ['agent', agentChecker, { kind: 'agent', send: 'x' }],
  ['dns', dnsChecker, dns()],
])('2,000 checks of type %s leave nothing behind', async (_, checker, question) => {
  const response = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok\n';
  const peer = await tcpPeer((socket) => {
    socket.once('data', () => socket.end(question.kind === 'agent' ? 'up\n' : response));
    socket.once('end', () => socket.end());
  });
  const udp = await udpPeer((query, reply) => reply(answerWith(query, [])));
  const port = question.kind === 'dns' ? udp.port : peer.port;
  const run = async (rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
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
  await run(40);
  const after = used();
  expect(after.heap - before.heap).toBeLessThan(1024 * 1024); // half a KiB a check would be 1 MiB
  expect(after.timers).toBeLessThanOrEqual(before.timers);
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
  await peer.close();
  await udp.close();
});
