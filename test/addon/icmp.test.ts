// SPDX-License-Identifier: Apache-2.0
/** Pings through the addon's sockets, to this host. Ping sockets or raw ones, whichever this process may have. */
import { Worker } from 'node:worker_threads';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { icmpSockets, loadAddon } from '../../src/dataplane/native.js';
import { icmpChecker } from '../../src/health/icmp.js';
import { ask } from '../unit/health/support/ask.js';
import { address, target } from '../unit/health/support/checks.js';

const checker = icmpChecker(icmpSockets());
const ping = (to: string, source: string | null = null, timeoutMs = 2000) =>
  ask(
    checker,
    { kind: 'icmp' },
    target(0, { address: address(to), source: source === null ? null : address(source), timeoutMs }),
  );

describe('the ICMP socket', () => {
  it.each([
    ['127.0.0.1', null],
    ['127.0.0.1', '127.0.0.7'],
    ['::1', null],
    ['::1', '::1'],
  ])('pings %s from %s', async (to, source) => {
    expect(await ping(to, source)).toMatchObject({ result: 'good', message: 'echo reply' });
  });

  it('pings many at once over one socket', async () => {
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => ping(`127.0.1.${i + 1}`)));
    expect(results.filter(({ result }) => result !== 'good')).toEqual([]);
  });

  it('is skipped with a source that is not here', async () => {
    expect(await ping('127.0.0.1', '192.0.2.77')).toMatchObject({ result: 'skipped' });
  });

  it('takes no nonsense', () => {
    const { IcmpSocket } = loadAddon();
    if (IcmpSocket === undefined) throw new Error('the addon has no ICMP sockets');
    expect(() => new IcmpSocket('x' as never, null, () => undefined)).toThrow(
      'needs (ipv6, source or null, receive)',
    );
    expect(() => new IcmpSocket(false, 'x', () => undefined)).toThrow('EINVAL');
    const socket = new IcmpSocket(false, null, () => undefined);
    expect(() => socket.send(1 as never, 2 as never)).toThrow('needs an address and bytes');
    expect(() => socket.send('::1', new Uint8Array(8))).toThrow('EINVAL');
    socket.close();
    socket.close();
    expect(() => socket.send('127.0.0.1', new Uint8Array(8))).toThrow('EBADF');
  });

  it('lets a thread end that left it open', async () => {
    const addon = join(import.meta.dirname, '../../build/Release/vsnat.node');
    const worker = new Worker(
      `const { IcmpSocket } = require(${JSON.stringify(addon)}); new IcmpSocket(false, null, () => {}); process.exit(0);`,
      { eval: true },
    );
    const code = await new Promise((resolve) => worker.once('exit', resolve));
    expect(code).toBe(0);
  });
});
