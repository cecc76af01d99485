// SPDX-License-Identifier: Apache-2.0
/** UDP and ICMP through the real device, in both families. */
import { expect, test } from 'vitest';
import { mentioning } from './support/capture.js';
import { at, families, vip } from './support/lab.js';
import { suite, useLab } from './support/suite.js';

suite('UDP and ICMP through the director', () => {
  const lab = useLab({});

  for (const family of families) {
    test(`${family} datagrams from 1,000 source ports come back once, whole and in order`, async () => {
      const to = at(vip[family], vip.udp);
      const result = await lab().load('udp', { to, sources: 1_000, datagrams: 20, size: 300, seconds: 30 });
      expect(result).toMatchObject({ received: 20_000, lost: 0, duplicated: 0, reordered: 0, corrupted: 0 });
      expect(Object.keys(result.byServer)).toEqual(['rs1', 'rs2', 'rs3']);
      expect(Object.values(result.byServer).every((share) => share % 20 === 0)).toBe(true);
    });

    test(`${family} datagrams sent as superpackets come back whole`, async () => {
      const to = at(vip[family], vip.udp);
      const result = await lab().load('udp', { to, sources: 5, datagrams: 400, size: 1_200, segments: 40 });
      expect(result).toMatchObject({ received: 2_000, lost: 0, duplicated: 0, corrupted: 0 });
    });

    test(`a ${family} datagram to a port of the VIP that is nobody's is answered with port unreachable`, async () => {
      const capture = await lab().captureAtClient('icmp or icmp6');
      const result = await lab().load('udp', { to: at(vip[family], vip.closed), window: 1, seconds: 2 });
      expect(result).toMatchObject({ sent: 1, received: 0, errors: { ECONNREFUSED: 1 } });
      const [type, code] = family === 'v4' ? [3, 3] : [1, 4];
      const errors = (await capture.stop()).filter(({ icmp }) => icmp?.type === type && icmp.code === code);
      expect(errors).toMatchObject([{ source: vip[family], icmp: { quoted: { destination: vip[family] } } }]);
    });

    test(`the ${family} VIP answers pings of any size, in pieces where a device does not take them whole`, async () => {
      for (const size of [0, 56, 1_400, 4_000, 20_000]) {
        const result = await lab().load('ping', { to: vip[family], count: 3, size });
        expect(result).toMatchObject({ received: 3 });
      }
    });

    test(`an error about a ${family} reply reaches the real server about its own packet`, async () => {
      const captures = await Promise.all(
        lab().topology.servers.map((server) => lab().captureAt(server, 'icmp or icmp6')),
      );
      // The client refuses the reply: its port unreachable quotes the VIP, the server must see its own address quoted.
      await lab().client.must(['nft', '-f', '-'], {
        input: `table inet refuse {
          chain input {
            type filter hook input priority 0;
            udp sport ${vip.udp} reject with icmpx port-unreachable
          }
        }`,
      });
      await lab().load('udp', { to: at(vip[family], vip.udp), seconds: 1 });
      await lab().client.must(['nft', 'flush', 'ruleset']);
      const packets = (await Promise.all(captures.map((capture) => capture.stop()))).flat();
      const errors = packets.filter(({ icmp }) => icmp?.quoted !== undefined);
      expect(errors.length).toBe(1);
      expect(mentioning(errors, [vip[family]])).toEqual([]);
      expect(lab().rips).toContain(errors[0]?.icmp?.quoted?.source);
    });
  }
});
