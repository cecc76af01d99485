// SPDX-License-Identifier: Apache-2.0
/**
 * Datagrams in pieces through the real device: in every order, both ways and both families, and with the pieces thrown
 * at random queues. The ends are real sockets, so it is their kernels that put the pieces together and judge the sum.
 */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { addressOf, at, families, Lab, vip } from './support/lab.js';
import type { Background } from './support/process.js';
import { projectRoot } from './support/project-root.js';
import { suite } from './support/suite.js';

const program = path.join(projectRoot, 'test/netns/support/wire.py');
const port = 5400;

suite('datagrams in pieces', () => {
  let lab: Lab;
  const echoes: Background[] = [];
  beforeAll(async () => {
    lab = await Lab.create({ director: 'none', servers: 2 });
    for (const server of lab.topology.servers) {
      for (const family of families) {
        const address = addressOf(server, family);
        const echo = server.namespace.spawn([
          'python3',
          program,
          'echo-pieces',
          address,
          String(port),
          '640',
        ]);
        await echo.waitForOutput(/^ready$/m);
        echoes.push(echo);
      }
    }
  }, 240_000);
  afterEach(() => lab.stopDaemon(), 30_000);
  afterAll(async () => {
    for (const echo of echoes) await echo.stop('SIGKILL');
    await lab.close();
  });

  for (const tun of [
    { queues: 1, steering: 'auto' },
    { queues: 2, steering: 'auto' },
    { queues: 2, steering: 'random' },
  ]) {
    for (const [size, step, orders] of [
      [4_000, 1_440, 6],
      [1_000, 512, 2],
      [30_000, 1_440, 60],
    ] as const) {
      test(`${size} bytes by ${step}, ${tun.queues} queues, steering ${tun.steering}: whole in every order`, async () => {
        const services = families.map((family) => ({
          name: `pieces-${family}`,
          listen: `udp://${at(vip[family], vip.udp)}`,
          servers: lab.topology.servers.map((server) => at(addressOf(server, family), port)),
        }));
        const daemon = await lab.startDaemon({ services, tun });
        for (const family of families) {
          const from = addressOf(lab.topology.client, family);
          const argv = ['ask-pieces', from, vip[family], String(vip.udp), String(step), String(size)];
          const printed = await lab.client.must(['python3', program, ...argv]);
          expect(JSON.parse(printed), `${family}\n${daemon.log}`).toEqual({
            sent: orders,
            whole: orders,
            lost: 0,
            wrong: 0,
          });
        }
        const metrics = await daemon.metrics();
        // Every order but one begins with another piece than the first, and the answers come last piece first.
        expect(metrics.sum('vsnat_queue_fragments_held_total')).toBeGreaterThan(orders);
        expect(metrics.sum('vsnat_queue_fragments_released_total')).toBe(
          metrics.sum('vsnat_queue_fragments_held_total'),
        );
        expect(metrics.by('reason', 'vsnat_packets_dropped_total')).toMatchObject({
          fragment: 0,
          fragment_overlap: 0,
          fragment_timeout: 0,
          fragment_full: 0,
        });
        await daemon.assertConservation();
      });
    }
  }
});
