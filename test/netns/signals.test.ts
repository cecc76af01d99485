// SPDX-License-Identifier: Apache-2.0
/** What is noticed of servers in passing, with a real kernel on either side: one that works, one that refuses, one that is gone. */
import { expect, test } from 'vitest';
import { protocolNumbers, type Packet } from './support/capture.js';
import { addressOf, at, families, vip, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const port = { shut: 8081, gone: 8082 } as const;
/** In the first real server's subnet, and nobody's. */
const nobody = { v4: '10.2.1.77', v6: 'fd00:2:1::77' } as const;

const flag = { fin: 1, syn: 2, rst: 4 } as const;

/** The sequence numbers a TCP segment stands for: of its payload, its SYN and its FIN. */
function numbersOf({ l4, totalLength }: Packet, family: Family): readonly number[] {
  const flags = l4.readUInt8(13);
  const payload = totalLength - (family === 'v4' ? 20 : 40) - (l4.readUInt8(12) >> 4) * 4;
  const length = payload + Number((flags & flag.syn) !== 0) + Number((flags & flag.fin) !== 0);
  return Array.from({ length }, (_, i) => (l4.readUInt32BE(4) + i) % 2 ** 32);
}

/** The slow reference: of the segments of one connection, those of which every number had come by before. */
function sentAgain(packets: readonly Packet[], family: Family): { in: number; out: number; syn: number } {
  const seen = { in: new Set<number>(), out: new Set<number>() };
  const counted = { in: 0, out: 0, syn: 0 };
  for (const packet of packets.filter(({ protocol }) => protocol === protocolNumbers.tcp)) {
    const direction = packet.source === vip[family] ? 'out' : 'in';
    const flags = packet.l4.readUInt8(13);
    const numbers = numbersOf(packet, family);
    if (numbers.length === 0 || (flags & flag.rst) !== 0) continue;
    const isSynAlone = (flags & flag.syn) !== 0 && direction === 'in' && seen.out.size === 0;
    if (numbers.every((number) => seen[direction].has(number))) counted[isSynAlone ? 'syn' : direction] += 1;
    for (const number of numbers) seen[direction].add(number);
  }
  return counted;
}

suite('signals', () => {
  const lab = useLab({});
  const connect = (to: string, seconds: number) =>
    lab().client.run(['curl', '-s', '-o', '/dev/null', '-m', String(seconds), `http://${to}/`]);
  const sum = async (name: string, labels: Readonly<Record<string, string>>): Promise<number> =>
    (await lab().daemon.metrics()).sum(name, labels);

  test('servers that answer are timed: each handshake, and the first byte of each reply', async () => {
    for (const family of families) {
      await lab().load('http', { to: at(vip[family], vip.http), mode: 'connect', requests: 30 });
      await lab().load('udp', { to: at(vip[family], vip.udp), datagrams: 20, window: 1 });
      const of = { service: `http-${family}` };
      const connections = await sum('vsnat_server_connections_total', of);
      const timed = await sum('vsnat_server_handshake_seconds_count', of);
      const ambiguous = await sum('vsnat_server_handshakes_ambiguous_total', of);
      expect(timed + ambiguous).toBe(connections);
      expect(timed).toBeGreaterThan(0);
      expect(await sum('vsnat_server_first_byte_seconds_count', of)).toBeGreaterThan(0);
      // On one machine: far below half a second each, however busy it is.
      expect((await sum('vsnat_server_handshake_seconds_sum', of)) / timed).toBeLessThan(0.5);
      expect(
        await sum('vsnat_server_first_byte_seconds_count', { service: `udp-${family}` }),
      ).toBeGreaterThan(0);
    }
  });

  test('what the kernels send again is counted: a SYN-ACK, and each side’s FIN, that are lost on the way', async () => {
    const { client, topology } = lab();
    for (const family of families) {
      const dropFirst = (...segments: readonly string[]): string =>
        [
          'add table inet loss; add chain inet loss in { type filter hook input priority 0; }',
          ...segments.map(
            (tcp) => `add rule inet loss in tcp flags ${tcp} limit rate 1/day burst 1 packets drop`,
          ),
        ].join('; ');
      await client.must(['nft', dropFirst('& (syn|ack) == syn|ack', '& fin == fin')]);
      for (const server of topology.servers) await server.namespace.must(['nft', dropFirst('& fin == fin')]);
      const of = { service: `http-${family}` };
      const counted = async () => ({
        in: await sum('vsnat_server_retransmissions_total', { ...of, direction: 'in' }),
        out: await sum('vsnat_server_retransmissions_total', { ...of, direction: 'out' }),
        syn: await sum('vsnat_server_syn_repeated_total', of),
      });
      const before = await counted();
      const capture = await lab().captureAtClient('tcp');
      expect((await connect(at(vip[family], vip.http), 30)).code).toBe(0);
      // Whatever is not acknowledged comes again; in TIME_WAIT, or gone, nothing is left to be.
      const hosts = [client, ...topology.servers.map(({ namespace }) => namespace)];
      const isOver = async (): Promise<boolean> => {
        const open = hosts.map((host) =>
          host.must(['ss', '-Htn', 'state', 'connected', 'exclude', 'time-wait']),
        );
        return (await Promise.all(open)).join('').trim() === '';
      };
      await until('both ends to have closed', isOver, { timeoutMs: 30_000, everyMs: 100 });
      const expected = sentAgain(await capture.stop(), family);
      const after = await counted();
      expect({
        in: after.in - before.in,
        out: after.out - before.out,
        syn: after.syn - before.syn,
      }).toEqual(expected);
      expect(expected.in).toBeGreaterThan(0); // the client's FIN
      expect(expected.out).toBeGreaterThan(1); // SYN-ACK and FIN of the server
      for (const namespace of hosts) await namespace.must(['nft', 'delete table inet loss']);
    }
  }, 180_000);

  test('servers that refuse, and servers that are gone, are told apart', async () => {
    const { services } = lab().config;
    const extra = families.flatMap((family) => [
      {
        name: `shut-${family}`,
        listen: `tcp://${at(vip[family], port.shut)}`,
        servers: [at(addressOf(lab().server(0), family), ports.http + 1)],
      },
      {
        name: `gone-${family}`,
        listen: `tcp://${at(vip[family], port.gone)}`,
        servers: [at(nobody[family], ports.http)],
      },
    ]);
    await lab().daemon.installation.write({ ...lab().config, services: [...services, ...extra] });
    expect((await lab().daemon.installation.vsnat('reload')).code).toBe(0);
    for (const family of families) {
      expect((await connect(at(vip[family], port.shut), 5)).code).not.toBe(0);
      const shut = { service: `shut-${family}` };
      expect(await sum('vsnat_server_resets_total', { ...shut, phase: 'handshake' })).toBe(1);
      expect(await sum('vsnat_server_syn_repeated_total', shut)).toBe(0);

      expect((await connect(at(vip[family], port.gone), 6)).code).not.toBe(0);
      const gone = { service: `gone-${family}` };
      const wasNoticed = async (): Promise<boolean> =>
        (await sum('vsnat_server_syn_repeated_total', gone)) +
          (await sum('vsnat_server_unreachable_total', gone)) >
        0;
      await until('a sign of the server that is gone', wasNoticed, { everyMs: 200 });
      expect(await sum('vsnat_server_resets_total', { ...gone, phase: 'handshake' })).toBe(0);
    }
  });
});
