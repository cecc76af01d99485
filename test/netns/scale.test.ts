// SPDX-License-Identifier: Apache-2.0
/**
 * 10,000 services with 10 servers each in the real daemon, and every one of them changed while datagrams flow. How long that
 * takes on a quiet machine is measured by `npm run bench -- scale`; here no packet may be lost, and the times leave room
 * for a machine with other work.
 */
import { expect, test } from 'vitest';
import type { Installation } from './support/daemon.js';
import { at, vip } from './support/lab.js';
import { ports } from './support/load.js';
import { drops, newDrops, reloadByApi } from './support/reloads.js';
import { suite, useLab } from './support/suite.js';

const services = 10_000;
const serversEach = 10;
/** What a machine with other work may take of what a quiet one takes. */
const patience = 10;

suite('10,000 services with 10 servers each', () => {
  const lab = useLab({ director: 'none' });

  /** Ten services to a VIP; `round` is in every weight. The last service is the one that is asked. */
  function* lines(socket: string, round: number): Generator<string> {
    const weight = (n: number): number => 1 + ((n + round) % 3);
    yield `admin: { socket: ${socket} }`;
    yield 'log: { format: text }';
    yield 'services:';
    for (let s = 1; s < services; s += 1) {
      yield `  - name: service-${s}`;
      yield `    listen: udp://10.9.${1 + (s >> 8)}.${s & 255}:${1000 + (s % 10)}`;
      yield '    routed: true';
      yield '    servers:';
      for (let n = 0; n < serversEach; n += 1)
        yield `      - { address: 11.${n}.${s >> 8}.${s & 255}:53, weight: ${weight(n)} }`;
    }
    yield '  - name: asked';
    yield `    listen: udp://${at(vip.v4, vip.udp)}`;
    yield '    servers:';
    for (const [n, { ipv4 }] of lab().topology.servers.entries())
      yield `      - { address: ${at(ipv4, ports.udp)}, weight: ${weight(n)} }`;
  }
  const text =
    (round: number) =>
    ({ socket }: Pick<Installation, 'socket'>): string =>
      [...lines(socket, round)].join('\n');

  test('are loaded, and swapped under traffic without the loss of a packet', async () => {
    const daemon = await lab().startDaemon(text(0));
    const loadCpu = (await daemon.metrics()).sum('process_cpu_seconds_total');
    expect(loadCpu).toBeLessThan(3 * patience);

    const before = await drops(lab());
    const datagrams = await lab().startLoad('udp', {
      to: at(vip.v4, vip.udp),
      sources: 20,
      datagrams: 1_000_000_000,
      rate: 1000,
      window: 4096,
      seconds: 3600,
    });
    for (let round = 1; round <= 3; round += 1) {
      await daemon.installation.writeText(text(round)(daemon.installation));
      await reloadByApi(lab());
      const metrics = await daemon.metrics();
      expect(metrics.sum('vsnat_config_last_swap_seconds')).toBeLessThan(0.05 * patience);
      expect(metrics.sum('vsnat_config_reloads_total', { result: 'applied' })).toBe(round);
    }
    datagrams.process.signal('SIGTERM');
    const counted = await datagrams.result();
    expect(newDrops(before, await drops(lab()))).toEqual({});
    expect(counted).toMatchObject({ lost: 0, duplicated: 0, corrupted: 0 });
    expect(counted.received).toBeGreaterThan(0);
  }, 480_000);
});
