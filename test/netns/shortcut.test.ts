// SPDX-License-Identifier: Apache-2.0
/** Shortcuts: connections that go through the kernel alone fare as those whose packets come up to the daemon. */
import { beforeAll, expect, test } from 'vitest';
import { addressOf, at, families, standardServices, vip, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import { Steady, type SteadyOptions } from './support/steady.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';
import { useWay } from './support/ways.js';

const taken = 'vsnat_queue_shortcut_packets_total';
const talkPort = 700;

suite('Shortcuts', () => {
  const lab = useLab({ servers: 1 });
  const { shareWhile, status } = useWay(lab, [taken], ['vsnat_queue_forwarded_total']);
  const server = () => lab().server(0);

  beforeAll(async () => {
    const talking = families.map((family) => ({
      name: `talk-${family}`,
      listen: `tcp://${at(vip[family], talkPort)}`,
      servers: [at(addressOf(server(), family), ports.talk)],
    }));
    await lab().daemon.reload({ services: [...standardServices(lab().topology.servers), ...talking] });
  });

  const steady = (family: Family, options: Partial<SteadyOptions> = {}): Promise<Steady> =>
    Steady.start(lab().client, { address: vip[family], port: talkPort, ...options });

  test('are taken by what says much, and told of', async () => {
    const one = await steady('v4');
    expect(await status()).toMatch(/^shortcuts +1 connection$/m);
    expect(await shareWhile(() => one.again())).toBeGreaterThan(0.95);
    await one.close();
    await until('there to be none', async () => /^shortcuts +0 connections$/m.test(await status()));
  });

  for (const family of families) {
    // What is out of order comes up, and what is already on its way up has to come up as well: most often where both ends send.
    for (const [direction, least] of [
      ['up', 0.7],
      ['down', 0.7],
      ['both', 0.1],
    ] as const) {
      test(`carry most of ${family} streams ${direction}, byte for byte`, async () => {
        const bytes = 2 ** 26;
        const share = await shareWhile(async () => {
          const to = at(vip[family], vip.stream);
          const result = await lab().load('stream', { to, bytes, streams: 2, direction, seconds: 60 });
          expect(result).toMatchObject({
            failed: 0,
            badBytes: 0,
            bytesUp: direction === 'down' ? 0 : 2 * bytes,
            bytesDown: direction === 'up' ? 0 : 2 * bytes,
          });
        });
        expect(share).toBeGreaterThan(least);
      });
    }
  }

  for (const family of families) {
    test(`carry ${family} datagrams, superpackets of them as well`, async () => {
      const to = at(vip[family], vip.udp);
      for (const segments of [1, 16]) {
        const share = await shareWhile(async () => {
          const result = await lab().load('udp', {
            to,
            segments,
            size: 1000,
            datagrams: 20_000,
            seconds: 20,
          });
          expect(result).toMatchObject({ received: 20_000, lost: 0, corrupted: 0, duplicated: 0 });
          expect(result.reordered).toBeLessThan(2000); // the last ones of the other way are overtaken
        });
        expect(share, `${segments} at a time`).toBeGreaterThan(0.9);
      }
    });
  }

  test('leave a datagram without a checksum without one', async () => {
    const capture = await lab().captureAt(server(), `udp and dst port ${ports.udp}`);
    const one = await steady('v4', { protocol: 'udp', port: vip.udp, withoutChecksum: true });
    await one.close();
    const checksums = (await capture.stop()).map(({ l4 }) => l4.readUInt16BE(6));
    expect(checksums.length).toBeGreaterThanOrEqual(100);
    expect(new Set(checksums)).toEqual(new Set([0]));
  });

  test('serve hundreds of requests of each of some kept connections', async () => {
    for (const family of families) {
      const to = at(vip[family], vip.http);
      const share = await shareWhile(async () => {
        const result = await lab().load('http', { to, connections: 4, requests: 4000, seconds: 30 });
        expect(result).toMatchObject({ answered: 4000, failed: 0 });
      });
      expect(share, family).toBeGreaterThan(0.9);
    }
  });

  test('leave one hop behind, at either end', async () => {
    for (const family of families) {
      const one = await steady(family);
      const captures = [
        await lab().captureAtClient(`tcp and src host ${vip[family]}`),
        await lab().captureAt(server(), `tcp and dst port ${ports.talk}`),
      ];
      expect(await shareWhile(() => one.again())).toBeGreaterThan(0.95);
      for (const capture of captures) {
        const packets = await capture.stop();
        expect(packets.length).toBeGreaterThanOrEqual(100);
        expect(new Set(packets.map(({ hopLimit }) => hopLimit))).toEqual(new Set([63]));
      }
      await one.close();
    }
  });

  test('are counted as every packet is: what a server is said to have had is what it had', async () => {
    const { namespace } = server();
    const kinds = [
      ['stream', 'tcp', ports.stream],
      ['talk', 'tcp', ports.talk],
      ['udp', 'udp', ports.udp],
    ] as const;
    const rules = families.flatMap((family) =>
      kinds.flatMap(([kind, protocol, number]) => {
        const of = family === 'v4' ? 'ipv4' : 'ipv6';
        return [
          `counter ${kind}-${family}-in { }\ncounter ${kind}-${family}-out { }`,
          `chain ${kind}-${family}-in { type filter hook input priority 0; meta nfproto ${of} ${protocol} dport ${number} counter name ${kind}-${family}-in; }`,
          `chain ${kind}-${family}-out { type filter hook output priority 0; meta nfproto ${of} ${protocol} sport ${number} counter name ${kind}-${family}-out; }`,
        ];
      }),
    );
    await namespace.must(['nft', `table inet count {\n${rules.join('\n')}\n}`]);
    const heard = async (): Promise<Record<string, number>> => {
      const listed = await namespace.must(['nft', 'list', 'counters']);
      return Object.fromEntries(
        [...listed.matchAll(/counter (\S+) \{\s+packets (\d+) bytes (\d+)/g)].flatMap(
          ([, name = '', packets, bytes]) => [
            [`${name} packets`, Number(packets)],
            [`${name} bytes`, Number(bytes)],
          ],
        ),
      );
    };
    const counted = async (): Promise<Record<string, number>> => {
      const metrics = await lab().daemon.metrics();
      return Object.fromEntries(
        families.flatMap((family) =>
          kinds.flatMap(([kind]) =>
            ['in', 'out'].flatMap((direction) =>
              ['packets', 'bytes'].map((unit) => [
                `${kind}-${family}-${direction} ${unit}`,
                metrics.sum(`vsnat_server_${unit}_total`, { service: `${kind}-${family}`, direction }),
              ]),
            ),
          ),
        ),
      );
    };
    const before = await counted();
    const share = await shareWhile(async () => {
      for (const family of families) {
        const one = await steady(family);
        await one.close();
        const [stream, udp] = [at(vip[family], vip.stream), at(vip[family], vip.udp)];
        await lab().load('stream', { to: stream, bytes: 2 ** 22, direction: 'both', seconds: 30 });
        await lab().load('udp', { to: udp, size: 500, datagrams: 2000, seconds: 30 });
      }
    });
    expect(share).toBeGreaterThan(0.8);
    await until('both to have counted the last one', async () => {
      const [here, there] = [await counted(), await heard()];
      return Object.entries(there).every(([name, count]) => (here[name] ?? 0) - (before[name] ?? 0) >= count);
    });
    const [after, there] = [await counted(), await heard()];
    const here = Object.fromEntries(
      Object.keys(after).map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]),
    );
    expect(here).toEqual(there);
    await namespace.must(['nft', 'delete', 'table', 'inet', 'count']);
  });

  test('show `vsnat capture` each packet once, as it leaves', async () => {
    const one = await steady('v4');
    const capture = lab().daemon.installation.spawn('capture', '--service', 'talk-v4', '-w', '/dev/null');
    await capture.waitForOutput(/capturing on/);
    expect(await shareWhile(() => one.again())).toBe(1);
    const { stderr } = await capture.stop('SIGINT');
    const packets = Number(/(\d+) packets of 1 connection,/.exec(stderr)?.[1]);
    expect(packets).toBeGreaterThanOrEqual(200);
    expect(packets).toBeLessThanOrEqual(220);
    await one.close();
  });

  test('lose nothing where the ends lose packets, and what is sent again is seen', async () => {
    const ends = [
      [lab().client, 'sport', vip.stream],
      [server().namespace, 'dport', ports.stream],
    ] as const;
    for (const [namespace, side, number] of ends)
      await namespace.must([
        'nft',
        `add table inet loss; add chain inet loss in { type filter hook input priority 0; }; add rule inet loss in tcp ${side} ${number} numgen random mod 100 == 0 drop`,
      ]);
    try {
      const again = async (direction: string): Promise<number> =>
        (await lab().daemon.metrics()).sum('vsnat_server_retransmissions_total', { direction });
      const before = [await again('in'), await again('out')];
      for (const family of families) {
        const to = at(vip[family], vip.stream);
        const bytes = 2 ** 24;
        const transfer = async (): Promise<void> => {
          const result = await lab().load('stream', {
            to,
            bytes,
            streams: 4,
            direction: 'both',
            seconds: 60,
          });
          expect(result).toMatchObject({ failed: 0, badBytes: 0, bytesUp: 4 * bytes, bytesDown: 4 * bytes });
        };
        // After a loss a stream goes back when nothing of it waits in the queue, which is the processors' doing too.
        await until(`${family} streams to go back often`, async () => (await shareWhile(transfer)) > 0.3);
      }
      expect(await again('in')).toBeGreaterThan(before[0] ?? 0);
      expect(await again('out')).toBeGreaterThan(before[1] ?? 0);
    } finally {
      for (const [namespace] of ends) await namespace.must(['nft', 'delete', 'table', 'inet', 'loss']);
    }
  });
});

suite('Shortcuts of devices without offloads', () => {
  const lab = useLab({ servers: 1, offload: 'off' });
  const { shareWhile } = useWay(lab, [taken], ['vsnat_queue_forwarded_total']);

  test('carry requests and datagrams, and no byte of a stream is wrong', async () => {
    for (const family of families) {
      const [stream, udp] = [at(vip[family], vip.stream), at(vip[family], vip.udp)];
      const http = at(vip[family], vip.http);
      const ofRequests = await shareWhile(async () => {
        const result = await lab().load('http', { to: http, connections: 4, requests: 4000, seconds: 30 });
        expect(result).toMatchObject({ answered: 4000, failed: 0 });
      });
      expect(ofRequests, `http, ${family}`).toBeGreaterThan(0.9);
      const bytes = 2 ** 24;
      const result = await lab().load('stream', {
        to: stream,
        bytes,
        streams: 2,
        direction: 'both',
        seconds: 60,
      });
      expect(result).toMatchObject({ failed: 0, badBytes: 0, bytesUp: 2 * bytes, bytesDown: 2 * bytes });
      const ofDatagrams = await shareWhile(async () => {
        const result = await lab().load('udp', { to: udp, size: 1000, datagrams: 10_000, seconds: 20 });
        expect(result).toMatchObject({ received: 10_000, corrupted: 0 });
      });
      expect(ofDatagrams, `udp, ${family}`).toBeGreaterThan(0.9);
    }
  });
});

suite('Shortcuts switched off', () => {
  const lab = useLab({ servers: 1, config: { tun: { shortcut: 'off' } } });

  test('are never taken, and the status says so', async () => {
    const { requests, shareWhile, status } = useWay(lab, [taken], ['vsnat_queue_forwarded_total']);
    expect(await status()).toMatch(/^shortcuts +off$/m);
    expect(
      await shareWhile(async () => {
        await requests(100);
        const to = at(vip.v4, vip.stream);
        expect(await lab().load('stream', { to, bytes: 2 ** 24, seconds: 30 })).toMatchObject({
          badBytes: 0,
        });
      }),
    ).toBe(0);
    expect((await lab().daemon.metrics()).sum('vsnat_device_shortcuts')).toBe(0);
  });
});
