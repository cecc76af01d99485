// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { attempt, type CheckResult } from '../../../src/health/attempt.js';
import { icmpChecker, type IcmpTransport } from '../../../src/health/icmp.js';
import { address, target } from './support/checks.js';
import { FakeClock } from './support/fake-clock.js';

interface Sent {
  readonly to: string;
  readonly message: Uint8Array;
}

function setUp() {
  const clock = new FakeClock();
  const sent: Sent[] = [];
  const opened: string[] = [];
  let closed = 0;
  let deliver: (message: Uint8Array, from: string) => void = () => undefined;
  let fails: Error | undefined;
  const transport: IcmpTransport = {
    open(family, source, receive) {
      opened.push(`${family} ${source ?? 'any'}`);
      deliver = receive;
      return {
        send: (to, message) => {
          if (fails !== undefined) throw fails;
          sent.push({ to, message: Uint8Array.from(message) });
        },
        close: () => (closed += 1),
      };
    },
  };
  const checker = icmpChecker(transport);
  const results: CheckResult[] = [];
  const ping = (to: string, source: string | null = null) =>
    attempt(
      checker,
      { kind: 'icmp' },
      target(0, { address: address(to), source: source === null ? null : address(source) }),
      clock,
      (result) => results.push(result),
    );
  return {
    clock,
    sent,
    opened,
    results,
    ping,
    closed: () => closed,
    deliver: (message: Uint8Array, from: string) => deliver(message, from),
    fail: (error: Error) => (fails = error),
  };
}

/** What a host makes of a request: type changed, checksum whatever. */
const reply = ({ message }: Sent, type = 0): Uint8Array =>
  Uint8Array.from(message, (byte, at) => (at === 0 ? type : byte));

describe('a ping', () => {
  it('is good with its echo from the address that was asked', () => {
    const { clock, sent, results, ping, deliver, closed } = setUp();
    ping('10.2.1.3');
    const [request] = sent;
    if (request === undefined) throw new Error('nothing was sent');
    expect([request.to, request.message[0], request.message.length]).toEqual(['10.2.1.3', 8, 24]);
    clock.advance(5);
    for (const stranger of [
      new Uint8Array(),
      reply(request, 3),
      reply(request).subarray(1),
      new Uint8Array(24),
    ])
      deliver(stranger, '10.2.1.3');
    deliver(reply(request), '10.2.1.4');
    expect(results).toEqual([]);
    deliver(reply(request), '10.2.1.3');
    deliver(reply(request), '10.2.1.3');
    expect(results).toMatchObject([{ result: 'good', message: 'echo reply', durationMs: 5 }]);
    expect(closed()).toBe(1);
  });

  it('believes no forgery, whichever bit of the sixteen bytes is guessed wrong', () => {
    const { sent, results, ping, deliver } = setUp();
    ping('10.2.1.3');
    const [request] = sent;
    if (request === undefined) throw new Error('nothing was sent');
    for (let bit = 8 * 8; bit < 24 * 8; bit += 1) {
      const forged = reply(request);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      deliver(forged, '10.2.1.3');
    }
    expect(results).toEqual([]);
  });

  it('takes neither the echo of another one, nor of one before, nor of another family', () => {
    const { clock, sent, results, ping, deliver } = setUp();
    ping('10.2.1.3');
    clock.advance(3000);
    ping('10.2.1.3');
    ping('10.2.1.4');
    const [before, , other] = sent;
    if (before === undefined || other === undefined) throw new Error('not enough was sent');
    deliver(reply(before), '10.2.1.3'); // late: it has been given up
    deliver(reply(other), '10.2.1.3');
    deliver(reply(other, 129), '10.2.1.4');
    expect(results).toMatchObject([{ result: 'bad' }]);
    deliver(reply(other), '10.2.1.4');
    expect(results).toMatchObject([{ result: 'bad' }, { result: 'good' }]);
  });

  it('cares for no identifier and sequence number, which the kernel may have changed', () => {
    const { sent, results, ping, deliver } = setUp();
    ping('10.2.1.3');
    const echo = reply(sent[0] ?? { to: '', message: new Uint8Array() });
    echo.fill(0, 4, 8);
    deliver(echo, '10.2.1.3');
    expect(results).toMatchObject([{ result: 'good' }]);
  });

  it('has a checksum that adds up', () => {
    const { sent, ping } = setUp();
    ping('10.2.1.3');
    const bytes = Buffer.from(sent[0]?.message ?? []);
    let sum = 0;
    for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
    expect((sum & 0xffff) + (sum >>> 16)).toBe(0xffff);
  });

  it('is bad without an echo', () => {
    const { clock, results, ping, closed } = setUp();
    ping('10.2.1.3');
    clock.advance(3000);
    expect(results).toMatchObject([{ result: 'bad', message: 'no answer within 2000 ms: no echo reply' }]);
    expect(closed()).toBe(1);
  });

  it('shares a socket with all others of its family and source', () => {
    const { sent, opened, results, ping, deliver, closed } = setUp();
    const first = ping('10.2.1.3');
    ping('10.2.1.4');
    ping('2001:db8::1');
    ping('10.2.1.5', '10.9.9.9');
    expect(opened).toEqual(['ipv4 any', 'ipv6 any', 'ipv4 10.9.9.9']);
    expect(sent[2]?.message[0]).toBe(128);
    first.stop();
    expect(closed()).toBe(0);
    expect(results).toEqual([]);
    if (sent[3] !== undefined) deliver(reply(sent[3]), '10.2.1.5');
    expect(closed()).toBe(1);
  });

  it.each([
    ['EHOSTUNREACH', 'bad', 'host unreachable'],
    ['EACCES', 'skipped', 'not permitted on this host: a firewall, or a missing capability (EACCES)'],
  ])('that cannot be sent for %s is %s', (code, result, message) => {
    const { clock, results, ping, fail, closed } = setUp();
    fail(Object.assign(new Error(code), { code }));
    ping('10.2.1.3');
    clock.advance(1);
    expect(results).toMatchObject([{ result, message }]);
    expect(closed()).toBe(1);
  });

  it('is skipped where there are no ICMP sockets', () => {
    const clock = new FakeClock();
    const results: CheckResult[] = [];
    attempt(icmpChecker(null), { kind: 'icmp' }, target(0), clock, (result) => results.push(result));
    clock.advance(1);
    expect(results).toMatchObject([{ result: 'skipped' }]);
  });
});
