// SPDX-License-Identifier: Apache-2.0
/** What is noticed of servers in passing, with a real kernel on either side: one that works, one that refuses, one that is gone. */
import { expect, test } from 'vitest';
import { addressOf, at, families, vip } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const port = { shut: 8081, gone: 8082 } as const;
/** In the first real server's subnet, and nobody's. */
const nobody = { v4: '10.2.1.77', v6: 'fd00:2:1::77' } as const;

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
      // On one machine: below a tenth of a second each.
      expect((await sum('vsnat_server_handshake_seconds_sum', of)) / timed).toBeLessThan(0.1);
      expect(
        await sum('vsnat_server_first_byte_seconds_count', { service: `udp-${family}` }),
      ).toBeGreaterThan(0);
    }
  });

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
      await until('a sign of the server that is gone', wasNoticed, { timeoutMs: 10_000, everyMs: 200 });
      expect(await sum('vsnat_server_resets_total', { ...gone, phase: 'handshake' })).toBe(0);
    }
  }, 60_000);
});
