// SPDX-License-Identifier: Apache-2.0
/** Each kind of check against a real server on the loopback, good and bad. */
import { createHook } from 'node:async_hooks';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { agentChecker } from '../../../src/health/agent.js';
import { dnsChecker } from '../../../src/health/dns.js';
import { httpChecker } from '../../../src/health/http.js';
import { tcpChecker } from '../../../src/health/tcp.js';
import { udpChecker } from '../../../src/health/udp.js';
import type { Question, TlsOptions } from '../../../src/model/index.js';
import type { QuestionOf } from '../../../src/health/checker.js';
import { ask } from './support/ask.js';
import { address, dns, http, target } from './support/checks.js';
import { answerWith, record } from './support/dns-messages.js';
import { closedPort, keptPeers, tcpPeer, udpPeer, type TcpPeer } from './support/peers.js';

const { kept } = keptPeers();

/** Answers every request with `response`. */
const httpPeer = async (response: string, tls?: Parameters<typeof tcpPeer>[1]): Promise<TcpPeer> =>
  kept(await tcpPeer((socket) => socket.once('data', () => socket.write(response)), tls));
const said = (peer: TcpPeer): string => Buffer.concat(peer.received).toString('latin1');

describe('tcp', () => {
  it('is good when the handshake completes, from the source it was given', async () => {
    const peer = kept(await tcpPeer(() => undefined));
    expect(
      await ask(tcpChecker, { kind: 'tcp' }, target(peer.port, { source: address('127.0.0.9') })),
    ).toMatchObject({ result: 'good', message: 'connected' });
    await peer.quiet();
    expect(peer.clients).toEqual(['127.0.0.9']);
  });

  it('is bad when the port is closed', async () => {
    const port = await closedPort();
    expect(await ask(tcpChecker, { kind: 'tcp' }, target(port))).toMatchObject({
      result: 'bad',
      message: 'refused',
    });
  });

  it('is skipped when its source is not on this host', async () => {
    const result = await ask(tcpChecker, { kind: 'tcp' }, target(80, { source: address('192.0.2.77') }));
    expect(result).toMatchObject({ result: 'skipped' });
  });

  it('on a detour is skipped when this host has no socket for it, and gives the detour back', async () => {
    let released = 0;
    const detour = {
      destination: { address: address('127.0.0.1'), port: 1 },
      open: () => {
        throw Object.assign(new Error('setsockopt IP_TRANSPARENT'), { code: 'EPERM' });
      },
      release: () => (released += 1),
    };
    const result = await ask(tcpChecker, { kind: 'tcp' }, target(1, { detour }));
    expect([result.result, released]).toEqual(['skipped', 1]);
  });
});

describe('http', () => {
  const run = (question: Partial<QuestionOf<'http'>>, port: number) =>
    ask(httpChecker, http(question), target(port));

  it.each([
    ['a status in range', {}, 'HTTP/1.1 204 No Content\r\n\r\n', 'good', 'status 204'],
    ['a status out of range', {}, 'HTTP/1.1 503 Busy\r\n\r\n', 'bad', 'status 503, not in 200-399'],
    [
      'a status of several',
      {
        expect: [
          { from: 200, to: 299 },
          { from: 404, to: 404 },
        ],
      },
      'HTTP/1.1 301 Moved\r\n\r\n',
      'bad',
      'status 301, not in 200-299, 404',
    ],
    [
      'a body that matches',
      { body: '^al.ve$' },
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalive',
      'good',
      'status 200, body as expected',
    ],
    [
      'a body that does not',
      { body: '^al.ve$' },
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndead',
      'bad',
      'status 200, but the body does not match: "dead"',
    ],
    [
      'no body to HEAD',
      { method: 'HEAD' as const, body: '^$' },
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n',
      'good',
      'status 200, body as expected',
    ],
    [
      'something else',
      {},
      '220 mail.example.org ESMTP\r\n',
      'bad',
      'not HTTP: "220 mail.example.org ESMTP\\x0d\\x0a"',
    ],
  ])('is what it is with %s', async (_, question, response, result, message) => {
    const peer = await httpPeer(response);
    expect(await run(question, peer.port)).toMatchObject({ result, message });
    await peer.quiet();
  });

  it('asks as it was told', async () => {
    const peer = await httpPeer('HTTP/1.1 200 OK\r\n\r\n');
    await run(
      {
        method: 'POST',
        path: '/a?b',
        host: 'www.example.org:81',
        headers: { 'X-Probe': '1', 'user-agent': 'me' },
      },
      peer.port,
    );
    await run({}, peer.port);
    await peer.quiet();
    const [first, second] = said(peer).split(/(?<=\r\n\r\n)/);
    expect(first).toBe(
      'POST /a?b HTTP/1.1\r\nHost: www.example.org:81\r\nuser-agent: me\r\nAccept: */*\r\nConnection: close\r\nContent-Length: 0\r\nX-Probe: 1\r\n\r\n',
    );
    expect(second).toContain(`Host: 127.0.0.1:${peer.port}\r\n`);
  });

  it('smuggles no header of a broken line, and refuses a pattern that is none', async () => {
    const peer = await httpPeer('HTTP/1.1 200 OK\r\n\r\n');
    expect(await run({ path: '/ HTTP/1.1\r\nX: y' }, peer.port)).toMatchObject({
      result: 'bad',
      message: expect.stringContaining('a line break in the request') as string,
    });
    expect(await run({ body: '(' }, peer.port)).toMatchObject({
      result: 'bad',
      message: expect.stringContaining('Invalid regular expression') as string,
    });
    expect(peer.clients).toEqual([]);
  });
});

describe('https', () => {
  const file = (name: string): string =>
    readFileSync(join(import.meta.dirname, '../../fixtures/tls', name), 'utf8');
  const server = { key: file('server.key'), cert: file('server.crt') };
  const tls = (more: Partial<TlsOptions>): TlsOptions => ({
    serverName: null,
    verify: true,
    ca: file('ca.crt'),
    certificate: null,
    key: null,
    ...more,
  });
  const ok = 'HTTP/1.1 200 OK\r\n\r\n';
  const run = (port: number, options: Partial<TlsOptions>, host: string | null = null) =>
    ask(httpChecker, http({ host, tls: tls(options) }), target(port));

  it('is good when authority and name are right: of SNI, of the host, or the address', async () => {
    const names: (string | false | null)[] = [];
    const peer = await httpPeer(ok, {
      ...server,
      SNICallback: (name, done) => (names.push(name), done(null)),
    });
    expect(await run(peer.port, { serverName: 'www.example.org' })).toMatchObject({ result: 'good' });
    expect(await run(peer.port, {}, 'www.example.org:443')).toMatchObject({ result: 'good' });
    expect(await run(peer.port, {})).toMatchObject({ result: 'good' });
    expect(names).toEqual(['www.example.org', 'www.example.org']);
  });

  it.each([
    [
      'another name',
      { serverName: 'mail.example.org' },
      /Hostname\/IP does not match certificate's altnames/,
    ],
    ['an unknown authority', { ca: null }, /^TLS: unable to verify|^TLS: unable to get local issuer/],
  ])('is bad with %s', async (_, options, message) => {
    const peer = await httpPeer(ok, server);
    const result = await run(peer.port, options);
    expect(result).toMatchObject({ result: 'bad' });
    expect(result.message).toMatch(message);
    await peer.quiet();
  });

  it('is good with any certificate when it is told not to verify', async () => {
    const peer = await httpPeer(ok, server);
    expect(await run(peer.port, { ca: null, verify: false, serverName: 'elsewhere.example' })).toMatchObject({
      result: 'good',
    });
  });

  it('shows its own certificate to a server that asks for one', async () => {
    const peer = await httpPeer(ok, {
      ...server,
      ca: file('ca.crt'),
      requestCert: true,
      rejectUnauthorized: true,
    });
    expect(await run(peer.port, {})).toMatchObject({ result: 'bad' });
    expect(await run(peer.port, { certificate: file('client.crt'), key: file('client.key') })).toMatchObject({
      result: 'good',
    });
  });

  it('is bad with a server that speaks no TLS', async () => {
    const peer = await httpPeer(ok);
    const result = await run(peer.port, {});
    expect(result.result).toBe('bad');
    expect(result.message).toMatch(/^TLS: /);
  });
});

describe('dns', () => {
  const a = record(1, Buffer.from([10, 2, 1, 3]));
  it.each([
    ['an answer', {}, (query: Buffer) => [answerWith(query, [a])], 'good', 'NOERROR'],
    [
      'the answer that is wanted',
      { answer: '10.2.1.3' },
      (query: Buffer) => [answerWith(query, [a])],
      'good',
      'NOERROR, answer as expected',
    ],
    [
      'another answer',
      { answer: '10.2.1.4' },
      (query: Buffer) => [answerWith(query, [a])],
      'bad',
      'NOERROR, but the answer is "10.2.1.3", not "10.2.1.4"',
    ],
    [
      'no answer',
      { answer: '10.2.1.4' },
      (query: Buffer) => [answerWith(query, [])],
      'bad',
      'NOERROR, but the answer is empty, not "10.2.1.4"',
    ],
    [
      'a failure',
      {},
      (query: Buffer) => [answerWith(query, [], { rcode: 2 })],
      'bad',
      'SERVFAIL, not NOERROR',
    ],
    [
      'a failure that is wanted',
      { expect: ['NOERROR', 'NXDOMAIN'] },
      (query: Buffer) => [answerWith(query, [], { rcode: 3 })],
      'good',
      'NXDOMAIN',
    ],
    [
      'a forged answer before the real one',
      { answer: '10.2.1.3' },
      (query: Buffer) => [Buffer.from('junk'), forged(query), answerWith(query, [a])],
      'good',
      'NOERROR, answer as expected',
    ],
    [
      'a truncated answer',
      { answer: '10.2.1.4' },
      (query: Buffer) => [answerWith(query, [], { truncated: true })],
      'bad',
      'NOERROR, but truncated before the answer came; use transport tcp',
    ],
  ])('over udp is what it is with %s', async (_, question, answers, result, message) => {
    const peer = kept(await udpPeer((query, reply) => answers(query).forEach(reply)));
    expect(await ask(dnsChecker, dns(question), target(peer.port))).toMatchObject({ result, message });
  });

  it('tells how many strangers answered', async () => {
    const peer = kept(await udpPeer((query, reply) => [forged(query), forged(query)].forEach(reply)));
    expect(await ask(dnsChecker, dns(), target(peer.port, { timeoutMs: 100 }))).toMatchObject({
      result: 'bad',
      message: 'no answer within 100 ms: 2 datagrams came, no answer to this query',
    });
  });

  it('over tcp takes an answer in any pieces', async () => {
    const peer = kept(
      await tcpPeer((socket) =>
        socket.once('data', (bytes: Buffer) => {
          const answer = answerWith(bytes.subarray(2), [a]);
          for (const byte of [answer.length >> 8, answer.length & 0xff, ...answer])
            socket.write(Buffer.from([byte]));
        }),
      ),
    );
    expect(
      await ask(dnsChecker, dns({ transport: 'tcp', answer: '10.2.1.3' }), target(peer.port)),
    ).toMatchObject({ result: 'good' });
    await peer.quiet();
  });

  it('asks with another id each time', async () => {
    const ids = new Set<number>();
    const peer = kept(
      await udpPeer((query, reply) => (ids.add(query.readUInt16BE(0)), reply(answerWith(query, [])))),
    );
    for (let i = 0; i < 20; i += 1) await ask(dnsChecker, dns(), target(peer.port));
    expect(ids.size).toBeGreaterThan(15);
  });

  const forged = (query: Buffer): Buffer => {
    const answer = answerWith(query, [a]);
    answer.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
    return answer;
  };
});

describe('udp', () => {
  const question = (expected: string | null): Question & { kind: 'udp' } => ({
    kind: 'udp',
    send: Buffer.from('ping'),
    expect: expected,
  });

  it('is good with the reply that is wanted, from the source it was given', async () => {
    const peer = kept(await udpPeer((message, reply) => reply(Buffer.from(`got ${message.toString()}`))));
    expect(
      await ask(udpChecker, question('^got ping$'), target(peer.port, { source: address('127.0.0.9') })),
    ).toMatchObject({ result: 'good' });
    expect(peer.clients.map(({ address: from }) => from)).toEqual(['127.0.0.9']);
  });

  it('is bad with another reply', async () => {
    const peer = kept(await udpPeer((_, reply) => reply(Buffer.from('no\n'))));
    expect(await ask(udpChecker, question('^yes'), target(peer.port))).toMatchObject({
      result: 'bad',
      message: 'the reply does not match: "no\\x0a"',
    });
  });

  it('is bad when the port is unreachable, whether a reply is wanted or not', async () => {
    const port = await closedPort();
    for (const expected of ['x', null]) {
      expect(await ask(udpChecker, question(expected), target(port))).toMatchObject({
        result: 'bad',
        message: 'refused',
      });
    }
  });

  it('takes silence for good only when no reply is wanted', async () => {
    const peer = kept(await udpPeer(() => undefined));
    expect(await ask(udpChecker, question(null), target(peer.port, { timeoutMs: 100 }))).toMatchObject({
      result: 'good',
      message: 'not refused',
    });
    expect(await ask(udpChecker, question('x'), target(peer.port, { timeoutMs: 100 }))).toMatchObject({
      result: 'bad',
      message: 'no answer within 100 ms: no reply',
    });
  });

  it('hears nobody but the server', async () => {
    const stranger = kept(await udpPeer(() => undefined));
    const peer = kept(
      await udpPeer((_, reply, from) => {
        void (async () => {
          const { createSocket } = await import('node:dgram');
          const other = createSocket('udp4');
          other.send('x', from.port, from.address, () => {
            other.close();
            reply(Buffer.from('real'));
          });
        })();
      }),
    );
    expect(await ask(udpChecker, question('^real$'), target(peer.port))).toMatchObject({ result: 'good' });
    expect(stranger.clients).toEqual([]);
  });
});

describe('agent', () => {
  it('hears the line, having said what it should', async () => {
    const peer = kept(
      await tcpPeer((socket) => socket.once('data', () => socket.end('up 50% # fine\nand more'))),
    );
    expect(await ask(agentChecker, { kind: 'agent', send: 'how?\n' }, target(peer.port))).toMatchObject({
      result: 'good',
      weightPercent: 50,
      drain: false,
    });
    expect(said(peer)).toBe('how?\n');
    await peer.quiet();
  });

  it('takes a line without an end when the connection ends', async () => {
    const peer = kept(await tcpPeer((socket) => socket.end('drain')));
    expect(await ask(agentChecker, { kind: 'agent', send: '' }, target(peer.port))).toMatchObject({
      result: 'good',
      drain: true,
    });
  });
});

it('no check asks a resolver', async () => {
  const asked: string[] = [];
  const hook = createHook({ init: (_, type) => void asked.push(type) }).enable();
  const peer = await httpPeer('HTTP/1.1 200 OK\r\n\r\n');
  const udp = kept(await udpPeer((query, reply) => reply(query.length > 4 ? answerWith(query, []) : query)));
  await ask(httpChecker, http(), target(peer.port, { source: address('127.0.0.1') }));
  await ask(tcpChecker, { kind: 'tcp' }, target(peer.port));
  await ask(
    httpChecker,
    http({
      host: 'www.example.org',
      tls: { serverName: 'www.example.org', verify: false, ca: null, certificate: null, key: null },
    }),
    target(peer.port),
  );
  await ask(agentChecker, { kind: 'agent', send: 'x' }, target(peer.port));
  await ask(dnsChecker, dns(), target(udp.port));
  await ask(dnsChecker, dns({ transport: 'tcp' }), target(peer.port));
  await ask(
    udpChecker,
    { kind: 'udp', send: Buffer.from('x'), expect: null },
    target(udp.port, { source: address('127.0.0.1') }),
  );
  hook.disable();
  expect(asked).toContain('TCPCONNECTWRAP');
  expect(asked).toContain('UDPWRAP');
  expect(asked.filter((type) => /ADDRINFO|QUERY|NAMEINFO/.test(type))).toEqual([]);
});

it('nothing but the command line, which shows names, imports a resolver', () => {
  const root = join(import.meta.dirname, '../../../src');
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const importing = sources.filter((file) =>
    /from '(node:)?dns(\/promises)?'/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(importing.filter((file) => !file.startsWith('cli/'))).toEqual([]);
  expect(importing).toContain('cli/names.ts'); // so the search finds what there is
});
