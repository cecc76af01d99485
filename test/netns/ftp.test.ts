// SPDX-License-Identifier: Apache-2.0
/** FTP through the director: a real client library, every mode of both families, every byte compared. */
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mentioning } from './support/capture.js';
import { addressOf, at, type Family } from './support/lab.js';
import type { Background } from './support/process.js';
import { suite, useLab } from './support/suite.js';

const script = (name: string): string => path.join(import.meta.dirname, 'support', name);

const controlPort = 21;
const megabyte = 2 ** 20;
const transfers = 5;

/** Longer as text than the servers' addresses, so that 227 moves all that follows it. */
const vip = { v4: '10.9.0.121', v6: 'fd00:9::121' } as const;

/** Both families over two servers, taken in turn; the addresses are topology.ts's. */
const services = (['v4', 'v6'] as const).map((family) => ({
  name: `ftp-${family}`,
  listen: `tcp://${at(vip[family], controlPort)}`,
  scheduler: 'rr',
  helper: 'ftp',
  servers: [1, 2].map((i) => at(family === 'v4' ? `10.2.${i}.2` : `fd00:2:${i}::2`, controlPort)),
}));

interface Seen {
  readonly downloads: number;
  readonly uploads: number;
  readonly peers: readonly string[];
}

for (const offload of ['on', 'off'] as const) {
  suite(
    `FTP through the director, with offloads ${offload}`,
    () => {
      const lab = useLab({ servers: 2, offload, config: { services } });
      const serving: Background[] = [];

      beforeAll(async () => {
        for (const { namespace } of lab().topology.servers) {
          const server = namespace.spawn(['python3', script('ftp_server.py'), String(controlPort)]);
          serving.push(server);
          await server.waitForOutput(/ready/);
        }
      });
      afterAll(async () => {
        for (const server of serving) await server.stop('SIGKILL');
      });

      async function transfer(family: Family, mode: string): Promise<Seen> {
        const argv = ['python3', script('ftp_client.py'), vip[family], mode];
        const text = await lab().client.must([...argv, String(transfers), String(megabyte)], {
          timeoutMs: 60_000,
        });
        return JSON.parse(text) as Seen;
      }

      for (const [family, mode] of [
        ['v4', 'pasv'],
        ['v4', 'epsv'],
        ['v4', 'port'],
        ['v4', 'eprt'],
        ['v6', 'epsv'],
        ['v6', 'eprt'],
      ] as const) {
        test(`${transfers} downloads and uploads over ${family} with ${mode.toUpperCase()} arrive byte for byte`, async () => {
          const before = await lab().daemon.metrics();
          const capture = await lab().captureAtClient('tcp');
          const isActive = mode === 'port' || mode === 'eprt';
          expect(await transfer(family, mode)).toEqual({
            downloads: transfers,
            uploads: transfers,
            peers: [isActive ? `${vip[family]} ${controlPort - 1}` : vip[family]],
          });
          expect(mentioning(await capture.stop(), lab().rips)).toEqual([]);
          const after = await lab().daemon.metrics();
          const grew = (name: string): number => after.sum(name) - before.sum(name);
          expect(grew('vsnat_queue_ftp_announced_total')).toBe(2 * transfers);
          expect(grew('vsnat_queue_ftp_ignored_total')).toBe(0);
          expect(grew('vsnat_server_connections_total')).toBe(1);
        }, 90_000);
      }

      test('the real servers saw the real client on every data connection', () => {
        const { client } = lab().topology;
        const seen = serving.flatMap(({ output }) => output.match(/^data from .*$/gm) ?? []);
        expect(new Set(seen)).toEqual(
          new Set([`data from ${addressOf(client, 'v4')}`, `data from ${addressOf(client, 'v6')}`]),
        );
      });
    },
    ['python3'],
  );
}
