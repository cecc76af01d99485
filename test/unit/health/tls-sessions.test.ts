// SPDX-License-Identifier: Apache-2.0
/** A server's certificates are spared for a minute, and no longer; and nobody's session is offered to another. */
import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TLSSocket, type TlsOptions as ServerOptions } from 'node:tls';

import { describe, expect, it, onTestFinished } from 'vitest';

import { httpChecker } from '../../../src/health/http.js';
import { resumedForMs, TlsSessions } from '../../../src/health/tls-sessions.js';
import type { TlsOptions } from '../../../src/model/index.js';
import { ask } from './support/ask.js';
import { http, target } from './support/checks.js';
import { tcpPeer, type TcpPeer } from './support/peers.js';

describe('sessions', () => {
  const session = Buffer.from('a session');

  it('are resumed for a minute after the whole handshake, however often', () => {
    const sessions = new TlsSessions();
    sessions.keep('a', session, 1000);
    for (const now of [1000, 31_000, 999 + resumedForMs]) {
      const kept = sessions.take('a', now);
      expect(kept?.session).toBe(session);
      if (kept !== undefined) sessions.putBack('a', kept);
    }
    expect(sessions.take('a', 1000 + resumedForMs)).toBeUndefined();
    expect(sessions.size).toBe(0);
  });

  it('that nobody puts back are gone, and each server has its own', () => {
    const sessions = new TlsSessions();
    sessions.keep('a', session, 0);
    expect(sessions.take('b', 0)).toBeUndefined();
    expect(sessions.take('a', 0)).toBeDefined();
    expect(sessions.take('a', 0)).toBeUndefined();
  });

  it('do not pile up', () => {
    const sessions = new TlsSessions();
    for (let server = 0; server < 20_000; server += 1) sessions.keep(String(server), session, 0);
    expect(sessions.size).toBe(8192);
    expect(sessions.take('19999', 0)).toBeDefined();
    expect(sessions.take('0', 0)).toBeUndefined();
  });
});

describe('an https check', () => {
  const file = (name: string): string =>
    readFileSync(join(import.meta.dirname, '../../fixtures/tls', name), 'utf8');
  const ok = 'HTTP/1.1 200 OK\r\n\r\n';
  const pair = { key: file('server.key'), cert: file('server.crt') };
  const tls = (): TlsOptions => ({
    serverName: null,
    verify: true,
    ca: file('ca.crt'),
    certificate: null,
    key: null,
  });

  /** Answers, and notes of each connection whether it was resumed. */
  async function peerOf(resumed: boolean[], options: ServerOptions = {}, port = 0): Promise<TcpPeer> {
    const peer = await tcpPeer(
      (socket) => {
        if (socket instanceof TLSSocket) resumed.push(socket.isSessionReused());
        socket.once('data', () => socket.end(ok));
      },
      { ...pair, ...options },
      port,
    );
    onTestFinished(() => peer.close());
    return peer;
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes its session of %s', async (version) => {
    const resumed: boolean[] = [];
    const peer = await peerOf(resumed, { minVersion: version, maxVersion: version });
    const question = http({ tls: tls() });
    for (let time = 0; time < 4; time += 1)
      expect(await ask(httpChecker, question, target(peer.port))).toMatchObject({ result: 'good' });
    expect(resumed).toEqual([false, true, true, true]);
  });

  it('begins anew with other options, and for another name', async () => {
    const resumed: boolean[] = [];
    const peer = await peerOf(resumed);
    const options = tls();
    await ask(httpChecker, http({ tls: options }), target(peer.port));
    await ask(httpChecker, http({ tls: { ...options } }), target(peer.port));
    await ask(httpChecker, http({ tls: options, host: 'www.example.org' }), target(peer.port));
    await ask(httpChecker, http({ tls: options }), target(peer.port));
    expect(resumed).toEqual([false, false, false, true]);
  });

  it('looks at the certificate of a server that was started again', async () => {
    const resumed: boolean[] = [];
    const question = http({ tls: tls() });
    const before = await tcpPeer((socket) => void socket.once('data', () => socket.end(ok)), pair);
    expect(await ask(httpChecker, question, target(before.port))).toMatchObject({ result: 'good' });
    await before.close();
    const another = { key: file('client.key'), cert: file('client.crt') };
    const after = await peerOf(resumed, another, before.port);
    const result = await ask(httpChecker, question, target(after.port));
    expect(result).toMatchObject({
      result: 'bad',
      message: expect.stringContaining('does not match') as string,
    });
    expect(resumed).not.toContain(true);
  });

  it('is as good with a server that gives no sessions', async () => {
    const resumed: boolean[] = [];
    const peer = await peerOf(resumed, { maxVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET });
    const question = http({ tls: tls() });
    for (let time = 0; time < 3; time += 1)
      expect(await ask(httpChecker, question, target(peer.port))).toMatchObject({ result: 'good' });
    expect(resumed).toHaveLength(3);
  });
});
