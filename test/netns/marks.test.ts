// SPDX-License-Identifier: Apache-2.0
/** A shop on two ports, as IPVS' manuals have it: one firewall mark for http and https, made by ipvsadm alone. */
import path from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { addressOf, at, families, type Family } from './support/lab.js';
import { loadProgram, ports } from './support/load.js';
import type { Background, Finished } from './support/process.js';
import { projectRoot } from './support/project-root.js';
import { suite, useLab } from './support/suite.js';

const vips = { v4: '10.9.0.7', v6: 'fd00:9::7' } as const;
const clients = {
  v4: ['10.1.1.21', '10.1.1.22', '10.1.1.23'],
  v6: ['fd00:1:1::21', 'fd00:1:1::22', 'fd00:1:1::23'],
} as const;
const https = 8443;

const marks = families.map((family) => ({
  mark: 1,
  listen: [
    `tcp://${at(vips[family], ports.http)}`,
    `tcp://${at(vips[family], https)}`,
    `udp://${at(vips[family], ports.udp)}`,
  ],
}));

suite('firewall marks', () => {
  const lab = useLab({
    config: { services: [], marks },
    prepare: async ({ client }) => {
      const lines = families.flatMap((family) =>
        clients[family].map(
          (address) =>
            `addr add ${address}/${family === 'v4' ? '24' : '64'} dev up0${family === 'v6' ? ' nodad' : ''}`,
        ),
      );
      await client.namespace.ip(lines);
    },
  });

  const serving: Background[] = [];
  beforeAll(async () => {
    for (const { namespace, name } of lab().topology.servers) {
      const argv = [await loadProgram(), 'serve', '--name', name, '--http', String(https)];
      const child = namespace.spawn(argv);
      await child.waitForOutput(/^ready$/m);
      serving.push(child);
    }
  });
  afterAll(async () => {
    for (const child of serving) await child.stop('SIGKILL');
  });

  const run = (words: readonly string[], input?: string): Promise<Finished> => {
    const { namespace, socket } = lab().daemon.installation;
    const argv = [process.execPath, path.join(projectRoot, 'bin/ipvsadm'), ...words];
    return namespace.run(argv, { env: { VSNAT_SOCKET: socket }, ...(input === undefined ? {} : { input }) });
  };
  const must = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await run(line.split(' '));
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' });
    return stdout;
  };
  const ask = async (from: string, family: Family, port: number): Promise<string> => {
    const url = `http://${at(vips[family], port)}/`;
    const answer = await lab().client.must(['curl', '-sg', '-m', '5', '--interface', from, url]);
    return answer.split(' ')[0] ?? '';
  };
  const flag = (family: Family): string => (family === 'v4' ? '-f 1' : '-f 1 -6');

  for (const family of families) {
    test(`a ${family} client of a mark's service has one server for all of its ports and protocols`, async () => {
      await must(`-A ${flag(family)} -s rr -p 600`);
      for (const server of lab().topology.servers)
        await must(`-a ${flag(family)} -r ${at(addressOf(server, family), 0)} -m`);
      const seen = new Map<string, string>();
      for (const [index, from] of clients[family].entries()) {
        // One begins at the one port, the next at the other.
        const order = index % 2 === 0 ? [ports.http, https] : [https, ports.http];
        for (const port of [...order, ...order]) {
          const name = await ask(from, family, port);
          expect([from, port, name]).toEqual([from, port, seen.get(from) ?? name]);
          seen.set(from, name);
        }
      }
      expect([...seen.values()].sort()).toEqual(['rs1', 'rs2', 'rs3']);
      const first = await lab().load('http', { to: at(vips[family], https), mode: 'connect', requests: 5 });
      const datagrams = await lab().load('udp', { to: at(vips[family], ports.udp), datagrams: 20 });
      expect(datagrams).toMatchObject({ received: 20, lost: 0 });
      expect(Object.keys(datagrams.byServer)).toEqual(Object.keys(first.byServer));
      expect(Object.keys(first.byServer)).toHaveLength(1);
      expect(await must(`-Ln ${flag(family)}`)).toContain(
        `FWM  1${family === 'v6' ? ' IPv6' : ''} rr persistent 600\n`,
      );
    });
  }

  test('saved, cleared and restored it is the same, and packets flow again', async () => {
    const rules = await must('-Sn');
    expect(rules.split('\n')).toHaveLength(9);
    await must('-C');
    const refused = await lab().load('http', { to: at(vips.v4, https), mode: 'connect', requests: 1 });
    expect(refused.answered).toBe(0);
    const { namespace, socket } = lab().daemon.installation;
    const restore = [process.execPath, path.join(projectRoot, 'bin/vsnat'), 'restore'];
    expect(await namespace.run(restore, { env: { VSNAT_SOCKET: socket }, input: rules })).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await must('-Sn')).toBe(rules);
    expect(await ask(clients.v4[0], 'v4', https)).toMatch(/^rs[123]$/);
  });

  test('an ordinary service in the same place gives way to the mark, and has the packets without it', async () => {
    await must('-C');
    await must(`-A -t ${at(vips.v4, https)} -s rr`);
    await must(`-a -t ${at(vips.v4, https)} -r ${at(lab().server(0).ipv4, https)} -m`);
    expect(await ask(clients.v4[0], 'v4', https)).toBe('rs1');
    await must('-A -f 1 -s rr');
    await must(`-a -f 1 -r ${at(lab().server(1).ipv4, 0)} -m`);
    expect(await ask(clients.v4[0], 'v4', https)).toBe('rs2');
    await must('-D -f 1');
    expect(await ask(clients.v4[0], 'v4', https)).toBe('rs1');
  });

  test('a mark that nothing explains is refused with what to write', async () => {
    const { code, stderr } = await run(['-A', '-f', '2']);
    expect(code).toBe(1);
    expect(stderr).toContain('add "- { mark: 2, listen: [tcp://10.9.0.1:80] }"');
    expect(stderr).toContain('to "marks" in the configuration');
  });
});
