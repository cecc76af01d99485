// SPDX-License-Identifier: Apache-2.0
/** A real Prometheus scrapes the daemon (Debian's package `prometheus`), and promtool approves of the names. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { at, vip } from './support/lab.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

interface QueryAnswer {
  readonly status: string;
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

suite(
  'Prometheus',
  () => {
    const lab = useLab({});
    const director = () => lab().topology.director.namespace;

    test('promtool finds nothing to complain about', async () => {
      await lab().load('http', { to: at(vip.v4, vip.http), requests: 10 });
      const { text } = await lab().daemon.metrics();
      const { code, stdout, stderr } = await director().run(['promtool', 'check', 'metrics'], {
        input: text,
      });
      expect({ code, said: stdout + stderr }).toEqual({ code: 0, said: '' });
    });

    test('scrapes the daemon and serves what the daemon counted', async () => {
      await lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 30 });
      const directory = await mkdtemp(path.join(tmpdir(), 'vsnat-prometheus-'));
      await writeFile(
        path.join(directory, 'prometheus.yml'),
        'global: { scrape_interval: 2s, scrape_timeout: 2s }\n' +
          'scrape_configs: [{ job_name: vsnat, static_configs: [{ targets: ["127.0.0.1:9191"] }] }]\n',
      );
      const prometheus = director().spawn([
        'prometheus',
        `--config.file=${directory}/prometheus.yml`,
        `--storage.tsdb.path=${directory}/data`,
        '--web.listen-address=127.0.0.1:9090',
      ]);
      const query = async (expression: string): Promise<QueryAnswer['data']['result']> => {
        const url = `http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(expression)}`;
        const { code, stdout } = await director().run(['curl', '-sf', '-m', '5', url]);
        return code === 0 ? (JSON.parse(stdout) as QueryAnswer).data.result : [];
      };
      try {
        const up = async (): Promise<boolean> => (await query('up{job="vsnat"}'))[0]?.value[1] === '1';
        // One scrape that takes too long, and all series are gone until the next: until they are there, and all of them.
        await until('Prometheus to see the daemon up', up, { timeoutMs: 60_000, everyMs: 200 });
        const connections = 'sum by (service) (vsnat_service_connections_total)';
        const served = await until(
          'Prometheus to serve the services',
          async () => {
            const found = await query(connections);
            return found.length > 0 ? found : null;
          },
          { everyMs: 200 },
        );
        const mine = (await lab().daemon.metrics()).by('service', 'vsnat_service_connections_total');
        expect(
          Object.fromEntries(served.map(({ metric, value }) => [metric.service, Number(value[1])])),
        ).toEqual(mine);
        expect(mine['http-v4']).toBeGreaterThanOrEqual(30);
        const isBuildKnown = async (): Promise<boolean> => (await query('vsnat_build_info')).length === 1;
        await until('the build to be known', isBuildKnown, { everyMs: 200 });

        // Everything is scraped, histograms with all their buckets, in whichever format the two agreed on.
        const told = (await lab().daemon.metrics()).text.match(/^vsnat_.+ /gm) ?? [];
        const stored = async (): Promise<number> =>
          Number((await query('count({__name__=~"vsnat_.+"})'))[0]?.value[1]);
        await until(`${told.length} series`, async () => (await stored()) === told.length, { everyMs: 200 });
        const within10s =
          'sum(vsnat_server_handshake_seconds_bucket{service="http-v4",le="10.0"}) / ' +
          'sum(vsnat_server_handshake_seconds_count{service="http-v4"})';
        const areAllWithin = async (): Promise<boolean> => (await query(within10s))[0]?.value[1] === '1';
        await until('all handshakes to be within ten seconds', areAllWithin, { everyMs: 200 });
      } finally {
        await prometheus.stop();
        await rm(directory, { recursive: true, force: true });
      }
    });
  },
  ['promtool', 'prometheus'],
);
