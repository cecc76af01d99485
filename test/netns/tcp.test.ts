// SPDX-License-Identifier: Apache-2.0
/** TCP through the real device: bulk with every byte verified, requests counted by who answered them. */
import { expect, test } from 'vitest';
import { mentioning, protocolNumbers } from './support/capture.js';
import { addressOf, at, families, vip } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';

/** The long run moves 10 GiB: VSNAT_BULK_BYTES=10737418240. */
const bulkBytes = Number(process.env.VSNAT_BULK_BYTES ?? 2 ** 30);
const requests = Number(process.env.VSNAT_REQUESTS ?? 10_000);

suite('TCP through the director', () => {
  const weights = [5, 3, 1];
  const lab = useLab({ weights });

  test('a bulk download arrives byte for byte', async () => {
    const result = await lab().load('stream', { to: at(vip.v4, vip.stream), bytes: bulkBytes, seconds: 900 });
    expect(result).toMatchObject({ failed: 0, badBytes: 0, bytesDown: bulkBytes });
  }, 900_000);

  for (const family of families) {
    const seed = family === 'v4' ? 4 : 6;

    test(`four ${family} streams in both directions at once arrive byte for byte`, async () => {
      const bytes = 2 ** 25;
      const to = at(vip[family], vip.stream);
      const result = await lab().load('stream', { to, bytes, streams: 4, direction: 'both', seed });
      expect(result).toMatchObject({ failed: 0, badBytes: 0, bytesUp: 4 * bytes, bytesDown: 4 * bytes });
    });

    test(`wrr 5:3:1 shares ${family} connections exactly`, async () => {
      const to = at(vip[family], vip.http);
      const result = await lab().load('http', { to, mode: 'connect', requests: 90 });
      expect(result.byServer).toEqual({ rs1: 50, rs2: 30, rs3: 10 });
    });

    test(`curl gets an answer over ${family}, and the real server saw the real client`, async () => {
      const { client, topology } = lab();
      const answer = await client.must(['curl', '-sg', '-m', '5', `http://${at(vip[family], vip.http)}/`]);
      expect(answer).toMatch(/^rs[123] /);
      expect(answer.trim().split(' ')[1]).toBe(addressOf(topology.client, family));
    });

    test(`${requests} ${family} requests on kept connections all succeed`, async () => {
      const result = await lab().load('http', { to: at(vip[family], vip.http), connections: 50, requests });
      expect(result).toMatchObject({ answered: requests, failed: 0 });
    }, 120_000);

    test(`${requests} ${family} connections of one request each all succeed`, async () => {
      const to = at(vip[family], vip.http);
      const result = await lab().load('http', { to, mode: 'connect', connections: 50, requests });
      expect(result).toMatchObject({ answered: requests, failed: 0 });
    }, 240_000);

    test(`a connection to a ${family} port of the VIP that is nobody's is refused at once`, async () => {
      const to = at(vip[family], vip.closed);
      const result = await lab().load('http', { to, mode: 'connect', requests: 3, seconds: 3 });
      expect(result).toMatchObject({ answered: 0, failed: 3, errors: { ECONNREFUSED: 3 } });
    });
  }

  test('the client sees the VIP only, the server sees the client, and the director is one hop', async () => {
    const { topology } = lab();
    const atClient = await lab().captureAtClient('tcp');
    const atServers = await Promise.all(topology.servers.map((server) => lab().captureAt(server)));
    const result = await lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 18 });
    expect(result).toMatchObject({ answered: 18, failed: 0 });

    const seen = await atClient.stop();
    const replies = seen.filter(({ source }) => source === vip.v4);
    expect(replies.length).toBeGreaterThan(18 * 3);
    expect(mentioning(seen, lab().rips)).toEqual([]);
    expect(new Set(replies.map(({ hopLimit }) => hopLimit))).toEqual(new Set([63]));

    const arrived = (await Promise.all(atServers.map((capture) => capture.stop()))).flat();
    const incoming = arrived.filter(({ source, protocol }) => {
      return protocol === protocolNumbers.tcp && source === topology.client.ipv4;
    });
    expect(incoming.length).toBeGreaterThan(18 * 3);
    expect(new Set(incoming.map(({ hopLimit }) => hopLimit))).toEqual(new Set([63]));
    expect(new Set(incoming.map(({ l4 }) => l4.readUInt16BE(2)))).toEqual(new Set([ports.http]));
    expect(mentioning(arrived, [vip.v4])).toEqual([]);
  });

  test('packets and connections are counted by service and server', async () => {
    const before = await lab().daemon.metrics();
    await lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 9 });
    const after = await lab().daemon.metrics();
    const count = (name: string, labels: Record<string, string>): number =>
      after.sum(name, labels) - before.sum(name, labels);
    expect(count('vsnat_service_connections_total', { service: 'http-v4' })).toBe(9);
    expect(
      lab().topology.servers.map(({ ipv4 }) =>
        count('vsnat_server_connections_total', { service: 'http-v4', server: `${ipv4}:${ports.http}` }),
      ),
    ).toEqual(weights);
  });
});
