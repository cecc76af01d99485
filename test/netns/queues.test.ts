// SPDX-License-Identifier: Apache-2.0
/**
 * Every way the device can be opened moves the same packets: offloads on and off, one queue and two, with steering by
 * client endpoint, without it, and with packets thrown at random queues. The last is the proof that the flow table is
 * right wherever a packet lands.
 */
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { at, families, Lab, vip } from './support/lab.js';
import { suite } from './support/suite.js';

interface Case {
  readonly queues: 1 | 2;
  readonly offload: 'auto' | 'off';
  readonly steering: 'auto' | 'off' | 'random';
}

const cases: readonly Case[] = [
  { queues: 1, offload: 'auto', steering: 'auto' },
  { queues: 1, offload: 'off', steering: 'auto' },
  { queues: 2, offload: 'auto', steering: 'auto' },
  { queues: 2, offload: 'off', steering: 'auto' },
  { queues: 2, offload: 'auto', steering: 'off' },
  { queues: 2, offload: 'auto', steering: 'random' },
];

/** Asked without any of our own code: may root here make a BPF map? union bpf_attr begins with type, key, value, entries. */
function bpfWorks(): boolean {
  const numbers: Partial<Record<NodeJS.Architecture, number>> = { x64: 321, arm64: 280 };
  const program = [
    'import ctypes, struct, sys',
    'attr = struct.pack("IIII", 1, 4, 4, 1).ljust(128, b"\\0")',
    'sys.exit(ctypes.CDLL(None).syscall(int(sys.argv[1]), 0, attr, len(attr)) < 0)',
  ].join('\n');
  const number = numbers[process.arch];
  return number !== undefined && spawnSync('python3', ['-c', program, String(number)]).status === 0;
}

for (const links of ['on', 'off'] as const) {
  suite(`device options, offload of the links ${links}`, () => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await Lab.create({ director: 'none', offload: links });
    }, 240_000);
    afterEach(() => lab.stopDaemon(), 30_000);
    afterAll(() => lab.close(), 30_000);

    for (const tun of cases) {
      test(`${tun.queues} queues, offload ${tun.offload}, steering ${tun.steering}`, async () => {
        const daemon = await lab.startDaemon({ ...lab.config, tun: { ...tun } });
        // Without offload a packet carries 1,448 bytes at most: less data makes as many packets.
        const bytes = links === 'on' && tun.offload === 'auto' ? 10_000_000 : 2_000_000;
        for (const family of families) {
          const streams = await lab.load('stream', {
            to: at(vip[family], vip.stream),
            streams: 4,
            bytes,
            direction: 'both',
          });
          expect(streams).toMatchObject({ failed: 0, badBytes: 0, bytesUp: 4 * bytes, bytesDown: 4 * bytes });
          const http = await lab.load('http', {
            to: at(vip[family], vip.http),
            mode: 'connect',
            connections: 20,
            requests: 999,
          });
          expect(http).toMatchObject({
            answered: 999,
            failed: 0,
            byServer: { rs1: 333, rs2: 333, rs3: 333 },
          });
          const udp = await lab.load('udp', {
            to: at(vip[family], vip.udp),
            sources: 100,
            datagrams: 20,
            size: 200,
          });
          expect(udp).toMatchObject({ received: 2_000, lost: 0, duplicated: 0, corrupted: 0 });
        }
        await daemon.assertConservation();

        const metrics = await daemon.metrics();
        expect(Object.keys(metrics.by('queue', 'vsnat_queue_packets_total'))).toHaveLength(tun.queues);
        const foreign = metrics.sum('vsnat_queue_foreign_flows_total');
        const steering = Object.keys(metrics.by('steering', 'vsnat_device_info'))[0];
        if (tun.queues > 1 && tun.steering === 'auto' && bpfWorks()) expect(steering).toBe('client-endpoint');
        if (tun.queues === 1 || steering === 'client-endpoint') expect(foreign).toBe(0);
        if (tun.steering === 'random') expect(foreign).toBeGreaterThan(0);
        if (tun.offload === 'off') expect(metrics.sum('vsnat_queue_gso_packets_total')).toBe(0);
        else if (links === 'on') expect(metrics.sum('vsnat_queue_gso_packets_total')).toBeGreaterThan(0);
      });
    }
  });
}
