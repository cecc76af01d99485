// SPDX-License-Identifier: Apache-2.0
/** SCTP through the real device. Both ends are raw sockets: the kernel here need not know the protocol. */
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mentioning } from './support/capture.js';
import { addressOf, at, families, Lab, vip, type Family } from './support/lab.js';
import type { Background } from './support/process.js';
import { projectRoot } from './support/project-root.js';
import { suite } from './support/suite.js';

const program = path.join(projectRoot, 'test/netns/support/wire.py');
const ports = { listen: 2905, server: 12_905 } as const;

interface Answers {
  readonly port: number;
  readonly seen: readonly Readonly<Record<string, unknown>>[];
}

/** The VIPs of an interface's own address too: there a policy rule picks the protocol and port out. */
const placements: readonly (readonly [string, Readonly<Record<Family, string>>])[] = [
  ['a routed VIP', vip],
  ["the director's own address", { v4: '10.1.1.1', v6: 'fd00:1:1::1' }],
];

for (const [placement, vips] of placements) {
  suite(`SCTP to ${placement}`, () => {
    let lab: Lab;
    const serving: Background[] = [];
    beforeAll(async () => {
      lab = await Lab.create({ director: 'none', servers: 1 });
      for (const family of families) {
        const host = lab.server(0);
        const address = addressOf(host, family);
        const server = host.namespace.spawn([
          'python3',
          program,
          'serve-sctp',
          address,
          String(ports.server),
        ]);
        await server.waitForOutput(/^ready$/m);
        serving.push(server);
      }
      const services = families.map((family) => ({
        name: `sctp-${family}`,
        listen: `sctp://${at(vips[family], ports.listen)}`,
        servers: [at(addressOf(lab.server(0), family), ports.server)],
      }));
      await lab.startDaemon({ services });
    }, 240_000);
    afterAll(async () => {
      for (const server of serving) await server.stop('SIGKILL');
      await lab.close();
    });

    for (const family of families) {
      test(`a ${family} association opens, carries data and closes, every checksum right`, async () => {
        const capture = await lab.captureAtClient('');
        const from = addressOf(lab.topology.client, family);
        const argv = ['ask-sctp', from, vips[family], String(ports.listen)];
        const answers = JSON.parse(await lab.client.must(['python3', program, ...argv])) as Answers;
        const fromVip = `${vips[family]}:${ports.listen}`;
        const good = { right: true, from: fromVip, same: true, mine: true };
        expect(answers.seen.slice(0, 6), lab.log).toEqual([
          { to: 1, chunk: 2, ...good },
          { to: 10, chunk: 11, ...good },
          { to: 0, chunk: 0, ...good },
          { to: 0, chunk: 0, ...good },
          { to: 0, chunk: 0, ...good },
          { to: 7, chunk: 8, ...good },
        ]);
        expect(answers.seen[6]).toEqual({ to: 'stranger', chunk: 6, right: true, tag: 0xabcd });
        const flows = await lab.daemon.installation.vsnat('flows', '--json');
        expect(flows.stdout).toMatch(/"protocol":\s*"sctp"/);
        expect(flows.stdout).toMatch(/"state":\s*"CLOSED"/);
        expect(mentioning(await capture.stop(), lab.rips)).toEqual([]);
        await lab.assertConservation();
      });
    }
  });
}
