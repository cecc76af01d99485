// SPDX-License-Identifier: Apache-2.0
/** Connections that belong together, and datagrams that do not: persistence, every port, marks, one packet. */
import { expect, test } from 'vitest';
import type { ConnectionRow } from '../../src/director/report.js';
import { at, families, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';

const vips = { v4: '10.9.0.7', v6: 'fd00:9::7' } as const;
const rip = (family: Family, i: number): string => (family === 'v4' ? `10.2.${i}.2` : `fd00:2:${i}::2`);
const others = {
  v4: ['10.1.1.21', '10.1.1.22', '10.1.1.23'],
  v6: ['fd00:1:1::21', 'fd00:1:1::22', 'fd00:1:1::23'],
};

const servers = (family: Family, port: number) => [1, 2, 3].map((i) => at(rip(family, i), port));

const services = families.flatMap((family) => [
  {
    name: `sticky-${family}`,
    listen: `tcp://${at(vips[family], 80)}`,
    scheduler: 'rr',
    persistence: { timeout: '60s' },
    servers: servers(family, ports.http),
  },
  {
    name: `whole-${family}`,
    listen: `tcp://${family === 'v4' ? '10.9.0.8' : '[fd00:9::8]'}`,
    scheduler: 'rr',
    persistence: {},
    servers: servers(family, 0),
  },
  {
    name: `group-${family}`,
    mark: 7,
    listen: [`tcp://${family === 'v4' ? '10.9.0.9' : '[fd00:9::9]'}`],
    scheduler: 'rr',
    persistence: { netmask: family === 'v4' ? '255.255.255.0' : 64 },
    servers: servers(family, 0),
  },
  {
    name: `datagrams-${family}`,
    listen: `udp://${at(vips[family], 53)}`,
    scheduler: 'rr',
    one_packet: true,
    servers: servers(family, ports.udp),
  },
]);

/** Of the clients' last bytes, 21, 22 and 23, the second bit alone. */
const holes = {
  name: 'holes',
  listen: 'tcp://10.9.0.10:80',
  scheduler: 'rr',
  persistence: { netmask: '255.255.0.2' },
  servers: servers('v4', ports.http),
};

suite('connections that belong together', () => {
  const lab = useLab({
    config: { services: [...services, holes] },
    prepare: async ({ client }) => {
      const lines = families.flatMap((family) =>
        others[family].map(
          (address) =>
            `addr add ${address}/${family === 'v4' ? '24' : '64'} dev up0${family === 'v6' ? ' nodad' : ''}`,
        ),
      );
      await client.namespace.ip(lines);
    },
  });

  /** The name of the real server that answers a client's curl. */
  const ask = async (from: string, to: string): Promise<string> => {
    const answer = await lab().client.must(['curl', '-sg', '-m', '5', '--interface', from, `http://${to}/`]);
    return answer.split(' ')[0] ?? '';
  };

  const flows = async (): Promise<readonly ConnectionRow[]> => {
    const { answer } = await lab().daemon.installation.json('flows', '--all');
    return (answer as { rows: ConnectionRow[] }).rows;
  };

  for (const family of families) {
    test(`${family} clients each stay with a server of their own`, async () => {
      const first = [];
      for (const from of others[family]) first.push(await ask(from, at(vips[family], 80)));
      expect(new Set(first)).toEqual(new Set(['rs1', 'rs2', 'rs3']));
      for (let round = 0; round < 3; ++round)
        for (const [index, from] of others[family].entries())
          expect(await ask(from, at(vips[family], 80))).toBe(first[index]);
      const templates = (await flows()).filter(
        ({ service, clientPort }) => service === `sticky-${family}` && clientPort === 0,
      );
      expect(templates).toHaveLength(3);
      expect(templates[0]).toMatchObject({ state: 'ASSURED', virtualPort: 80, realPort: ports.http });
      const listing = (await lab().daemon.installation.vsnat('services')).stdout;
      expect(listing).toContain(`sticky-${family}`);
      expect(listing).toMatch(/rr persistent 60\b/);
    });

    test(`a ${family} service on every port leads one client to one server on each of them`, async () => {
      const address = family === 'v4' ? '10.9.0.8' : 'fd00:9::8';
      const name = await ask(others[family][0] ?? '', at(address, ports.http));
      const stream = await lab().load('stream', { to: at(address, ports.stream), bytes: 1_000_000 });
      expect(stream).toMatchObject({ failed: 0, badBytes: 0 });
      for (let round = 0; round < 3; ++round)
        expect(await ask(others[family][0] ?? '', at(address, ports.http))).toBe(name);
    });

    test(`a mark makes one ${family} client of a network`, async () => {
      const address = family === 'v4' ? '10.9.0.9' : 'fd00:9::9';
      const names = new Set<string>();
      for (const from of others[family]) names.add(await ask(from, at(address, ports.http)));
      expect(names.size).toBe(1);
    });

    test(`${family} datagrams of one port are shared out one by one, and every one is answered`, async () => {
      const result = await lab().load('udp', {
        to: at(vips[family], 53),
        sources: 2,
        datagrams: 30,
        window: 1,
      });
      expect(result).toMatchObject({
        received: 60,
        lost: 0,
        corrupted: 0,
        byServer: { rs1: 20, rs2: 20, rs3: 20 },
      });
      expect((await flows()).filter(({ service }) => service === `datagrams-${family}`)).toEqual([]);
    });
  }

  test('clients whose addresses agree where a mask has ones share a server, whatever is in its holes', async () => {
    const [first, second, third] = await Promise.all(others.v4.map((from) => ask(from, '10.9.0.10:80')));
    expect([first, second, third]).toEqual([first, third, third]);
    expect(first).not.toBe(second);
    const templates = (await flows()).filter(
      ({ service, clientPort }) => service === 'holes' && clientPort === 0,
    );
    expect(templates.map(({ clientAddress }) => clientAddress).sort()).toEqual(['10.1.0.0', '10.1.0.2']);
  });
});
