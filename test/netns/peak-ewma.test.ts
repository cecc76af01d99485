// SPDX-License-Identifier: Apache-2.0
/**
 * peak-ewma with real handshakes: a real server becomes slow, is spared, becomes quick again, and gets its share back.
 * Beside it the same servers in turn (rr): what nobody spares.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, afterAll, expect, test } from 'vitest';
import { at, vip } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const turnsPort = 81;
const slow = 'rs2';
/** Below this, handshakes count as equal: what a busy machine makes of three equal servers. */
const floorMs = 30;
const delayMs = 600;

const servers = [1, 2, 3].map((i) => at(`10.2.${i}.2`, ports.http));
const services = [
  {
    name: 'measured',
    listen: `tcp://${at(vip.v4, vip.http)}`,
    scheduler: 'peak-ewma',
    scheduler_options: { decay_ms: 2000, floor_ms: floorMs },
    servers,
  },
  { name: 'turns', listen: `tcp://${at(vip.v4, turnsPort)}`, scheduler: 'rr', servers },
];

suite(
  'peak-ewma',
  () => {
    const lab = useLab({ config: { services } });
    let folder = '';

    /** Written aside and moved into place: whoever reads sees one or the other. */
    async function delay(ms: number): Promise<void> {
      await writeFile(path.join(folder, 'next'), String(ms));
      await rename(path.join(folder, 'next'), path.join(folder, 'delay'));
    }

    beforeAll(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'vsnat-late-'));
      await delay(0);
      const script = path.join(import.meta.dirname, 'support/late.py');
      const { namespace } = lab().server(1);
      const late = namespace.spawn(['python3', script, 'up0', path.join(folder, 'delay')]);
      await late.waitForOutput(/^ready$/m);
    });
    afterAll(() => rm(folder, { recursive: true }));

    async function shareOfSlow(port: number, requests: number): Promise<number> {
      const to = at(vip.v4, port);
      const connections = 12;
      const result = await lab().load('http', { to, mode: 'connect', connections, requests, seconds: 120, timeout: 30 });
      expect(result).toMatchObject({ answered: requests, failed: 0 });
      return (result.byServer[slow] ?? 0) / requests;
    } // prettier-ignore

    const shareTo = (what: string, isSo: (share: number) => boolean): Promise<boolean> =>
      until(what, async () => isSo(await shareOfSlow(vip.http, 300)), { timeoutMs: 90_000, everyMs: 0 });

    test('spares a server while its handshakes are slow, and comes back to it when they are quick', async () => {
      await shareTo('three quick servers to share', (share) => share > 0.2);

      await delay(delayMs);
      await shareTo('the slow server to be spared', (share) => share < 0.1);
      expect(await shareOfSlow(turnsPort, 60)).toBeCloseTo(1 / 3); // it serves all that it is sent
      const metrics = await lab().daemon.metrics();
      const seconds = (server: string): number =>
        metrics.sum('vsnat_server_handshake_seconds_sum', { service: 'turns', server }) /
        metrics.sum('vsnat_server_handshake_seconds_count', { service: 'turns', server });
      expect(seconds(servers[1] ?? '')).toBeGreaterThan(delayMs / 1000);
      expect(seconds(servers[0] ?? '')).toBeLessThan(delayMs / 2000);

      await delay(0);
      await shareTo('the server to be used again', (share) => share > 0.2);
      expect(metrics.sum('vsnat_scheduler_failures_total')).toBe(0);
    }, 300_000);
  },
  ['python3'],
);
