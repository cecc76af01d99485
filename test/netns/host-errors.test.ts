// SPDX-License-Identifier: Apache-2.0
/**
 * ICMP errors that the director's own kernel raises about packets vsnat wrote: nobody answers for a real server, no
 * route leads there, a reply does not fit the client's link. They name a RIP (or, to a server, the VIP) and must reach
 * the end they are for as errors about its own packet. What is about nothing of ours must reach its end untouched.
 */
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { mentioning, protocolNumbers, type Packet } from './support/capture.js';
import { addressOf, at, families, Lab, vip, type Family } from './support/lab.js';
import { projectRoot } from './support/project-root.js';
import { suite } from './support/suite.js';

const program = path.join(projectRoot, 'test/netns/support/wire.py');

/** What the client's kernel tells a socket there about the one datagram it sends. */
const complaint = async (lab: Lab, to: string, port: number): Promise<string> =>
  JSON.parse(await lab.client.must(['python3', program, 'complaint', to, String(port)])) as string;

const isError = ({ icmp }: Packet): boolean => icmp?.quoted !== undefined;
const isTooBig = ({ protocol, icmp }: Packet): boolean =>
  protocol === protocolNumbers.icmp ? icmp?.type === 3 && icmp.code === 4 : icmp?.type === 2;

suite('errors this host raises itself', () => {
  let lab: Lab | undefined;
  afterEach(async () => {
    const finished = lab;
    lab = undefined;
    await finished?.close();
  });

  const unreachable: readonly (readonly [string, Readonly<Record<Family, string>>])[] = [
    ['nobody answers for the real server', { v4: '10.2.1.77', v6: 'fd00:2:1::77' }],
    ['no route leads to the real server', { v4: '10.99.0.7', v6: 'fd00:99::7' }],
  ];
  for (const [name, rips] of unreachable) {
    test(`${name}: the client learns it from the VIP, about the VIP`, async () => {
      const services = families.map((family) => ({
        name: `dead-${family}`,
        listen: `udp://${at(vip[family], vip.udp)}`,
        routed: true,
        servers: [at(rips[family], 5353)],
      }));
      lab = await Lab.create({ servers: 1, config: { services } });
      const capture = await lab.captureAtClient('icmp or icmp6');
      for (const family of families) {
        expect(await complaint(lab, vip[family], vip.udp), family).toMatch(/^(EHOST|ENET)UNREACH$/);
      }
      const errors = (await capture.stop()).filter(isError);
      for (const family of families)
        expect(errors.filter(({ source }) => source === vip[family])[0], family).toMatchObject({
          destination: addressOf(lab.topology.client, family),
          icmp: { quoted: { source: addressOf(lab.topology.client, family), destination: vip[family] } },
        });
      expect(mentioning(errors, Object.values(rips))).toEqual([]);
      await lab.assertConservation();
    });
  }

  test('an error about a packet that is none of ours comes from the director and quotes what was sent', async () => {
    lab = await Lab.create({ servers: 1 });
    const capture = await lab.captureAtClient('icmp or icmp6');
    for (const [family, nowhere] of [
      ['v4', '10.98.0.1'],
      ['v6', 'fd00:98::1'],
    ] as const) {
      expect(await complaint(lab, nowhere, 9), family).toMatch(/UNREACH$/);
    }
    const errors = (await capture.stop()).filter(isError);
    expect(errors).toMatchObject([
      { source: '10.1.1.1', icmp: { type: 3, quoted: { destination: '10.98.0.1' } } },
      { source: 'fd00:1:1::1', icmp: { type: 1, quoted: { destination: 'fd00:98::1' } } },
    ]);
    // They went through the TUN device and back, once.
    const metrics = await lab.daemon.metrics();
    expect(metrics.sum('vsnat_queue_passed_total')).toBe(2);
    await lab.assertConservation();
  });

  const placements: readonly (readonly [string, Readonly<Record<Family, string>>])[] = [
    ['a routed VIP', vip],
    ["a VIP that is the director's own address", { v4: '10.1.2.1', v6: 'fd00:1:2::1' }],
  ];
  for (const [placement, vips] of placements) {
    test(`a reply too big for the client's link, ${placement}: the real server is told, about its own packet`, async () => {
      lab = await Lab.create({ servers: 1, vips, clientPath: [1500, 1400] });
      const server = lab.server(0);
      const capture = await lab.captureAt(server, 'icmp or icmp6');
      for (const family of families) {
        const to = at(vips[family], vip.stream);
        const result = await lab.load('stream', { to, bytes: 1_000_000, direction: 'down', stall: 5 });
        expect(result, family).toMatchObject({ failed: 0, badBytes: 0 });
      }
      const told = (await capture.stop()).filter(isTooBig);
      for (const family of families) {
        const mine = told.filter(({ destination }) => destination === addressOf(server, family));
        expect(mine[0], family).toMatchObject({
          icmp: {
            mtu: 1400,
            quoted: {
              source: addressOf(server, family),
              destination: addressOf(lab.topology.client, family),
            },
          },
        });
      }
      // Its source may be the VIP itself, where that is an address of the director; its quote may not.
      expect(
        mentioning(
          told.map(({ icmp }) => icmp?.quoted).filter((it) => it !== undefined),
          Object.values(vips),
        ),
      ).toEqual([]);
      await lab.assertConservation();
    });
  }
});
