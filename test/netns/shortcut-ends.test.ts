// SPDX-License-Identifier: Apache-2.0
/** How connections end that go through the kernel alone: as all others, by either end, by an order, and by their time. */
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { ConnectionRow } from '../../src/director/report.js';
import { protocolNumbers, type Packet } from './support/capture.js';
import { addressOf, at, families, vip, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import type { Namespace } from './support/namespace.js';
import { projectRoot } from './support/project-root.js';
import { Steady, type SteadyOptions } from './support/steady.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';
import { useWay } from './support/ways.js';

const wire = path.join(projectRoot, 'test/netns/support/wire.py');
/** Of services whose connections are forgotten soon. */
const port = { talk: 700, short: 701 } as const;
const shortSeconds = 5;

/** Behind the last byte of a segment. */
function sequenceEnd({ l4, protocol, totalLength, source }: Packet): number {
  if (protocol !== protocolNumbers.tcp) return 0;
  const header = source.includes(':') ? 40 : 20;
  return (l4.readUInt32BE(4) + totalLength - header - (l4.readUInt8(12) >> 4) * 4) % 2 ** 32;
}

suite('Shortcuts', () => {
  const lab = useLab({ servers: 1 });
  const { shareWhile, packets: takenPackets } = useWay(
    lab,
    ['vsnat_queue_shortcut_packets_total'],
    ['vsnat_queue_forwarded_total'],
  );
  const server = () => lab().server(0);

  beforeAll(async () => {
    const timeouts = { tcp_established: `${shortSeconds}s`, udp: `${shortSeconds}s` };
    const more = families.flatMap((family) => {
      const [talk, udp] = [ports.talk, ports.udp].map((to) => at(addressOf(server(), family), to));
      return [
        { name: `talk-${family}`, listen: `tcp://${at(vip[family], port.talk)}`, servers: [talk ?? ''] },
        {
          name: `short-${family}`,
          listen: `tcp://${at(vip[family], port.short)}`,
          timeouts,
          servers: [talk ?? ''],
        },
        {
          name: `brief-${family}`,
          listen: `udp://${at(vip[family], port.short)}`,
          timeouts,
          servers: [udp ?? ''],
        },
      ];
    });
    await lab().daemon.reload({ services: more });
  });

  const steady = (family: Family, options: Partial<SteadyOptions> = {}): Promise<Steady> =>
    Steady.start(lab().client, { address: vip[family], port: port.talk, ...options });
  const shortcuts = async (): Promise<number> => (await lab().daemon.metrics()).sum('vsnat_device_shortcuts');
  const rowsOf = async (one: Steady): Promise<readonly ConnectionRow[]> => {
    const { answer } = await lab().daemon.installation.json('flows', '--all');
    return (answer as { rows: readonly ConnectionRow[] }).rows.filter(
      ({ clientPort, virtualPort }) =>
        clientPort === one.port && (virtualPort === port.talk || virtualPort === port.short),
    );
  };
  const stateOf = async (one: Steady): Promise<string> => (await rowsOf(one))[0]?.state ?? 'none';
  const socketsOf = async (one: Steady): Promise<string> => {
    const look = (namespace: Namespace, side: string): Promise<string> =>
      namespace.must(['ss', '-Htn', 'state', 'established', `( ${side} = :${one.port} )`]);
    return (await look(lab().client, 'sport')) + (await look(server().namespace, 'dport'));
  };

  const ends: readonly (readonly [string, string, (one: Steady) => Promise<unknown>])[] = [
    ['a FIN of the client', 'TIME_WAIT', (one) => one.close()],
    ['a RST of the client', 'CLOSE', (one) => lab().client.must(['ss', '-K', `( sport = :${one.port} )`])],
    [
      'a RST of the server',
      'CLOSE',
      (one) => server().namespace.must(['ss', '-K', `( dport = :${one.port} )`]),
    ],
    [
      'an operator',
      'none',
      async (one) => {
        const client = (await rowsOf(one))[0]?.clientAddress ?? '';
        const { code, stderr } = await lab().daemon.installation.vsnat(
          'flows',
          '--kill',
          '--client',
          at(client, one.port),
        );
        expect(code, stderr).toBe(0);
      },
    ],
  ];
  for (const [what, state, end] of ends) {
    test(`end with ${what}, as any connection does`, async () => {
      for (const family of families) {
        const one = await steady(family);
        expect(await stateOf(one)).toBe('ESTABLISHED');
        expect(await shareWhile(() => one.again())).toBeGreaterThan(0.95);
        await end(one);
        await until('both ends to know', async () => (await socketsOf(one)).trim() === '');
        await until(`it to be ${state}`, async () => (await stateOf(one)) === state);
        await until('its shortcut to be gone', async () => (await shortcuts()) === 0);
      }
    });
  }

  test('believe no RST with a number that is not the next one, and believe the right one', async () => {
    for (const family of families) {
      const client = addressOf(lab().topology.client, family);
      const rip = addressOf(server(), family);
      const suspects = async (): Promise<number> =>
        (await lab().daemon.metrics()).sum('vsnat_queue_suspect_resets_total');
      const one = await steady(family);
      const capture = await lab().captureAtClient(`tcp and dst port ${port.talk}`);
      await one.again();
      const next = Math.max(...(await capture.stop()).map(sequenceEnd));
      const before = await suspects();
      const far = (next + 2 ** 30) % 2 ** 32;
      const fromClient = ['reset', client, one.port, vip[family], port.talk];
      const fromServer = ['reset', rip, ports.talk, client, one.port];
      await lab().client.must(['python3', wire, ...[...fromClient, far].map(String)]);
      await server().namespace.must(['python3', wire, ...[...fromServer, far].map(String)]);
      await until('both to be suspected', async () => (await suspects()) === before + 2);
      expect(await stateOf(one)).toBe('ESTABLISHED');
      expect(await shareWhile(() => one.again())).toBeGreaterThan(0.9);
      const right = (next + one.bytesAtATime) % 2 ** 32;
      await lab().client.must(['python3', wire, ...[...fromClient, right].map(String)]);
      await until('it to be over', async () => (await stateOf(one)) === 'CLOSE');
      expect(await suspects()).toBe(before + 2);
      await until('the server to know', async () => {
        const filter = ['state', 'established', `( dport = :${one.port} )`];
        return (await server().namespace.must(['ss', '-Htn', ...filter])).trim() === '';
      });
      await one.close();
    }
  });

  test('keep a connection alive by what only the kernel sees; in silence it ends in time', async () => {
    const options = { port: port.short, times: 20 };
    const idle = await steady('v4');
    const ones = [
      ...(await Promise.all(families.map((family) => steady(family, options)))),
      ...(await Promise.all(families.map((family) => steady(family, { ...options, protocol: 'udp' })))),
    ];
    // The first packets came up; of the rest nearly all stay with the kernel.
    for (const one of ones) await one.again();
    const before = await takenPackets();
    const start = performance.now();
    const share = await shareWhile(() =>
      Promise.all(ones.map((one) => one.goOn(() => performance.now() - start > 12_000))),
    );
    expect(share).toBeGreaterThan(0.95);
    expect(await takenPackets()).toBeGreaterThan(before);
    for (const one of ones) expect(await rowsOf(one)).toHaveLength(1);
    const silentSince = performance.now();
    // Its shortcut has ended by now; it goes on, and soon has another.
    await idle.again();
    await idle.again();
    expect(await shareWhile(() => idle.again())).toBeGreaterThan(0.9);
    await idle.close();
    await until('all to be forgotten', async () =>
      (await Promise.all(ones.map(rowsOf))).every((rows) => rows.length === 0),
    );
    const seconds = (performance.now() - silentSince) / 1000;
    expect(seconds).toBeGreaterThan(shortSeconds - 1);
    expect(seconds).toBeLessThan(shortSeconds + 8); // two, and what a busy machine needs to be asked
    for (const one of ones) await one.close();
  });
});
