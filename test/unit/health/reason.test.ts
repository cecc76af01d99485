// SPDX-License-Identifier: Apache-2.0
/** Each name of a failure is given to something that happens, most of it for real, and the documents say so. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { readAgentLine } from '../../../src/health/agent.js';
import { CannotAsk, type Answer, type QuestionOf } from '../../../src/health/checker.js';
import { execChecker } from '../../../src/health/exec.js';
import { httpChecker } from '../../../src/health/http.js';
import { icmpChecker } from '../../../src/health/icmp.js';
import { failure } from '../../../src/health/message.js';
import { moduleChecker } from '../../../src/health/module.js';
import { failureReasonNames, isSkippedReason, type FailureReason } from '../../../src/health/reason.js';
import { tcpChecker } from '../../../src/health/tcp.js';
import { udpChecker } from '../../../src/health/udp.js';
import { ask } from './support/ask.js';
import { address, http, target } from './support/checks.js';
import { closedPort, keptPeers, tcpPeer, udpPeer } from './support/peers.js';

const { kept } = keptPeers();

/** A server that answers `response` to whatever comes; of '' it says nothing. */
const answering = async (response: string): Promise<number> =>
  kept(await tcpPeer((socket) => socket.once('data', () => socket.write(response)))).port;
const overHttp = async (response: string, more: Partial<QuestionOf<'http'>> = {}, timeoutMs = 2000) =>
  ask(httpChecker, http(more), target(await answering(response), { timeoutMs }));
const run = (...command: string[]) => ask(execChecker(), { kind: 'exec', command }, target(8080));
const runModule = async (source: string, timeoutMs = 10_000) => {
  const file = join(mkdtempSync(join(tmpdir(), 'vsnat-reason-')), 'check.mjs');
  writeFileSync(file, source);
  const checker = moduleChecker();
  try {
    return await ask(checker, { kind: 'module', file, options: {} }, target(8080, { timeoutMs }));
  } finally {
    void checker.close?.();
    rmSync(dirname(file), { recursive: true });
  }
};
const systemError = (code: string): Answer => failure(Object.assign(new Error(code), { code }));
const tls = { serverName: null, verify: true, ca: null, certificate: null, key: null };

const page = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndead';
/** Backtracks for longer than anybody waits. */
const endless = { pattern: '^(a+)+$', text: `${'a'.repeat(40)}b` };

const given: Readonly<Record<FailureReason, () => Answer | Promise<Answer>>> = {
  refused: async () => ask(tcpChecker, { kind: 'tcp' }, target(await closedPort())),
  reset: async () => {
    const peer = kept(
      await tcpPeer((socket) =>
        socket.once('data', () => 'resetAndDestroy' in socket && socket.resetAndDestroy()),
      ),
    );
    return ask(httpChecker, http(), target(peer.port));
  },
  unreachable: () => systemError('EHOSTUNREACH'),
  not_connected: () => overHttp('', { kind: 'https', tls }, 200),
  timeout: () => overHttp('HTTP/1.1 200 OK\r\n', {}, 200),
  tls: () => overHttp('HTTP/1.1 400 Plain\r\n\r\n', { kind: 'https', tls }),
  protocol: () => overHttp('SSH-2.0-OpenSSH\r\n'),
  status: () => run('/bin/sh', '-c', 'exit 3'),
  content: () => overHttp(page, { body: 'alive' }),
  declared: () => readAgentLine(Buffer.from('down # for repair')),
  program: () => run('/nonexistent'),
  module: () => runModule('export default { check() { throw new Error("no"); } }'),
  other: () => overHttp(page, { body: '(' }),
  no_resources: () => systemError('EMFILE'),
  not_permitted: () => systemError('EPERM'),
  no_source: () => ask(tcpChecker, { kind: 'tcp' }, target(80, { source: address('192.0.2.77') })),
  slow_pattern: async () => {
    const peer = kept(await udpPeer((_, reply) => reply(Buffer.from(endless.text))));
    const question = { kind: 'udp', send: Buffer.from('?'), expect: endless.pattern } as const;
    return ask(udpChecker, question, target(peer.port));
  },
  busy: () => failure(new CannotAsk('busy', '64 programs of checks are running')),
  held_up: () => runModule('await new Promise((done) => setTimeout(done, 60_000))', 50),
  unsupported: () => ask(icmpChecker(null), { kind: 'icmp' }, target(0)),
  no_way: () => failure(new CannotAsk('no_way', 'there is no way through the VIP just now')),
};

describe('the reason of a failure', () => {
  it.each(failureReasonNames)('is %s', async (reason) => {
    const result = isSkippedReason(reason) ? 'skipped' : 'bad';
    expect(await given[reason]()).toMatchObject({ result, reason });
  });

  it('is also a DNS code, an HTTP status and a signal', async () => {
    expect(await overHttp('HTTP/1.1 503 Busy\r\n\r\n')).toMatchObject({ reason: 'status' });
    expect(await run('/bin/sh', '-c', 'kill -9 $$')).toMatchObject({ reason: 'program' });
    expect(readAgentLine(Buffer.from('hello'))).toMatchObject({ reason: 'protocol' });
  });

  it('is none of what is good', async () => {
    expect(await overHttp(page)).toMatchObject({ result: 'good', reason: null });
  });
});
