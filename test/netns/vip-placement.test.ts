// SPDX-License-Identifier: Apache-2.0
/** Where a VIP may lie: routed (all other suites), inside an interface's subnet, or on the director's own address. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { mentioning } from './support/capture.js';
import { addressOf, at, families, vip } from './support/lab.js';
import { load, loadProgram, ports } from './support/load.js';
import { projectRoot } from './support/project-root.js';
import { suite, useLab } from './support/suite.js';

const wire = path.join(projectRoot, 'test/netns/support/wire.py');

for (const ingress of ['route', 'direct'] as const) {
  suite(`a VIP inside the client subnet, ingress ${ingress}`, () => {
    const vips = { v4: '10.1.1.100', v6: 'fd00:1:1::100' };
    const lab = useLab({ vips, servers: 2, config: { tun: { ingress } } });

    for (const family of families) {
      test(`is answered for by the director on the ${family} link`, async () => {
        const capture = await lab().captureAtClient(family === 'v4' ? 'ip' : 'ip6');
        const result = await lab().load('http', {
          to: at(vips[family], vip.http),
          mode: 'connect',
          requests: 10,
        });
        expect(result).toMatchObject({ answered: 10, failed: 0, byServer: { rs1: 5, rs2: 5 } });
        const packets = await capture.stop();
        expect(mentioning(packets, lab().rips)).toEqual([]);
        const neighbour = await lab().client.must(['ip', 'neigh', 'show', 'to', vips[family]]);
        expect(neighbour).toMatch(/lladdr/);
      });
    }
  });

  suite(`a VIP that is the director's own address, ingress ${ingress}`, () => {
    const vips = { v4: '10.1.1.1', v6: 'fd00:1:1::1' };
    const lab = useLab({ vips, servers: 2, config: { tun: { ingress } } });

    for (const family of families) {
      test(`serves ${family} connections and datagrams`, async () => {
        const http = await lab().load('http', {
          to: at(vips[family], vip.http),
          mode: 'connect',
          requests: 100,
        });
        expect(http).toMatchObject({ answered: 100, failed: 0, byServer: { rs1: 50, rs2: 50 } });
        const stream = await lab().load('stream', {
          to: at(vips[family], vip.stream),
          bytes: 20_000_000,
          direction: 'both',
        });
        expect(stream).toMatchObject({ failed: 0, badBytes: 0 });
        const udp = await lab().load('udp', { to: at(vips[family], vip.udp), sources: 10, datagrams: 10 });
        expect(udp).toMatchObject({ received: 100, lost: 0 });
      });

      test(`leaves the host what is said of its own ${family} connections`, async () => {
        const { client, director } = lab().topology;
        // Nobody listens there. The client's refusal goes to the host's address, which is the VIP, and into the device first.
        const argv = ['python3', wire, 'complaint', addressOf(client, family), '9'];
        expect(JSON.parse(await director.namespace.must(argv))).toBe('ECONNREFUSED');
      });

      test(`leaves the host its own ${family} connections to the very servers, as health checks are`, async () => {
        const { director, servers } = lab().topology;
        for (const server of servers) {
          const to = at(addressOf(server, family), ports.http);
          const http = await load(director.namespace, 'http', { to, mode: 'connect', requests: 5 });
          expect(http).toMatchObject({ answered: 5, failed: 0, byServer: { [server.name]: 5 } });
        }
      });

      test(`leaves the rest of the ${family} address to the host`, async () => {
        const own = lab().topology.director.namespace.spawn([
          await loadProgram(),
          'serve',
          '--name',
          'own',
          '--http',
          '8081',
        ]);
        try {
          await own.waitForOutput(/^ready$/m);
          const http = await lab().load('http', { to: at(vips[family], 8081), requests: 5 });
          expect(http).toMatchObject({ answered: 5, byServer: { own: 5 } });
          const closed = await lab().load('http', {
            to: at(vips[family], vip.closed),
            requests: 1,
            seconds: 1,
          });
          expect(closed).toMatchObject({ answered: 0, errors: { ECONNREFUSED: 1 } });
          const ping = await lab().load('ping', { to: vips[family] });
          expect(ping).toMatchObject({ received: 3, hopLimits: { 64: 3 } });
        } finally {
          await own.stop('SIGKILL');
        }
      });
    }
  });
}
