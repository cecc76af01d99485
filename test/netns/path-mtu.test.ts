// SPDX-License-Identifier: Apache-2.0
/**
 * Path MTU discovery across the director: bottlenecks on either side, next to it or beyond a router, in both
 * families. Transfers complete, and the errors a client gets about a real server's side come from the VIP and quote
 * the VIP: no RIP ever reaches the client.
 */
import { afterEach, expect, test } from 'vitest';
import { mentioning, protocolNumbers, type Packet } from './support/capture.js';
import { at, families, Lab, vip, type Family, type LabOptions } from './support/lab.js';
import { suite } from './support/suite.js';

interface Case {
  readonly name: string;
  readonly paths: Pick<LabOptions, 'clientPath' | 'serverPath'>;
  /** What the client is told about the path behind the director, if it must be told at all. */
  readonly mtuBehindVip?: number;
}

const cases: readonly Case[] = [
  { name: 'the client link is small', paths: { clientPath: [1400] } },
  { name: 'the server link is small', paths: { serverPath: [1400] } },
  {
    name: 'the director itself meets the small link towards the client',
    paths: { clientPath: [1500, 1400] },
  },
  {
    name: 'a router beyond the director meets it towards the client',
    paths: { clientPath: [1500, 1280, 1500] },
  },
  {
    name: 'the director itself meets the small link towards the server',
    paths: { serverPath: [1400, 1500] },
    mtuBehindVip: 1400,
  },
  {
    name: 'a router beyond the director meets it towards the server',
    paths: { serverPath: [1500, 1280, 1500] },
    mtuBehindVip: 1280,
  },
];

const tooBig =
  (family: Family) =>
  (packet: Packet): boolean =>
    family === 'v4'
      ? packet.protocol === protocolNumbers.icmp && packet.icmp?.type === 3 && packet.icmp.code === 4
      : packet.protocol === protocolNumbers.icmp6 && packet.icmp?.type === 2;

suite('path MTU discovery', () => {
  let lab: Lab | undefined;
  afterEach(async () => {
    const finished = lab;
    lab = undefined;
    await finished?.close();
  });

  for (const offload of ['on', 'off'] as const) {
    for (const { name, paths, mtuBehindVip } of cases) {
      test(`transfers complete when ${name}, offload ${offload}`, async () => {
        lab = await Lab.create({
          servers: 1,
          offload,
          routed: (paths.serverPath?.length ?? 1) > 1,
          ...paths,
        });
        const capture = await lab.captureAtClient('icmp or icmp6 or net 10.2.0.0/16 or net fd00:2::/32');
        for (const family of families) {
          for (const direction of ['up', 'down']) {
            const to = at(vip[family], vip.stream);
            const result = await lab.load('stream', { to, bytes: 1_000_000, direction, stall: 5 });
            expect(result, `${family} ${direction}`).toMatchObject({ failed: 0, badBytes: 0 });
          }
        }
        const packets = await capture.stop();
        expect(mentioning(packets, lab.rips)).toEqual([]);
        if (mtuBehindVip !== undefined) {
          for (const family of families) {
            const told = packets.filter(tooBig(family));
            expect(told.length, family).toBeGreaterThan(0);
            for (const error of told) {
              expect(error).toMatchObject({
                source: vip[family],
                icmp: { mtu: mtuBehindVip, quoted: { destination: vip[family] } },
              });
            }
          }
        }
        await lab.assertConservation();
      });
    }
  }
});
