// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { allDefinitions, MetricsRegistry, tell } from '../../../src/metrics/registry.js';
import { latencyBounds } from '../../../src/dataplane/signals.js';
import { testWith } from '../../support/programs.js';
import { busySample } from './sample.js';

const openMetrics = 'application/openmetrics-text; version=1.0.0';

/** Samples of a rendered text: "name{labels}" to value. */
function samples(body: string): Map<string, number> {
  return new Map(
    body
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

const render = async (accept?: string): Promise<string> => {
  const { body } = await new MetricsRegistry(busySample, { processMetrics: false }).render(accept);
  return body;
};

describe('the metrics', () => {
  it('are named and labelled as documented', async () => {
    const values = samples(await render());
    expect(Object.fromEntries(values)).toMatchObject({
      'vsnat_build_info{version="0.1.0",node="20.20.2",addon_abi="1"}': 1,
      vsnat_config_last_reload_successful: 0,
      vsnat_config_last_reload_success_timestamp_seconds: 1_763_000_000,
      'vsnat_config_reloads_total{result="rejected"}': 1,
      'vsnat_service_info{service="web",vip="10.9.0.2",port="80",protocol="tcp",scheduler="wrr"}': 1,
      'vsnat_service_connections_total{service="web"}': 80,
      'vsnat_server_connections_active{service="web",server="10.2.1.2:8080"}': 3,
      'vsnat_server_bytes_total{service="web",server="10.2.1.2:8080",direction="out"}': 900_000,
      vsnat_config_run_time_changes: 6,
      'vsnat_server_draining{service="web",server="10.2.1.2:8080"}': 0,
      'vsnat_server_draining{service="web",server="10.2.2.2:8080"}': 1,
      'vsnat_server_overloaded{service="web",server="10.2.2.2:8080"}': 1,
      'vsnat_server_weight{service="dns \\"v6\\"\\\\",server="[2001:db8::2]:53"}': 1,
      'vsnat_packets_dropped_total{queue="1",reason="no_server"}': 3,
      'vsnat_queue_busy_seconds_total{queue="0"}': 1.5,
      vsnat_flow_table_capacity: 1024,
      'vsnat_device_offload{device="fake0",feature="tso4"}': 1,
      'vsnat_device_offload{device="fake0",feature="uso4"}': 0,
      'vsnat_server_resets_total{service="web",server="10.2.1.2:8080",phase="handshake"}': 10,
      'vsnat_server_retransmissions_total{service="web",server="10.2.1.2:8080",direction="out"}': 14,
      'vsnat_server_up{service="web",server="10.2.1.2:8080"}': 1,
      'vsnat_service_quorum_lost{service="web"}': 0,
      'vsnat_health_checks_total{service="web",server="10.2.1.2:8080",kind="http",result="bad"}': 5,
      'vsnat_health_failures_total{reason="status"}': 14,
      'vsnat_health_failures_total{reason="tls"}': 0,
      'vsnat_health_checks_total{service="web",server="10.2.2.2:8080",kind="http",result="bad"}': 10,
      'vsnat_metrics_detail{detail="servers"}': 1,
      'vsnat_metrics_detail{detail="total"}': 0,
      vsnat_metrics_series_dropped: 0,
    });
  });

  it('obey the conservation equations of docs/metrics.md', async () => {
    const values = samples(await render());
    const sum = (pattern: RegExp): number =>
      [...values].filter(([name]) => pattern.test(name)).reduce((total, [, value]) => total + value, 0);
    for (const queue of [0, 1]) {
      const of = (name: string, more = ''): number =>
        sum(new RegExp(`^vsnat_${name}\\{.*queue="${queue}".*${more}`));
      expect(of('queue_packets_total', 'rx')).toBe(
        of('queue_forwarded_total') + of('queue_passed_total') + of('packets_dropped_total'),
      );
      expect(of('queue_packets_total', 'tx')).toBe(
        of('queue_forwarded_total') +
          of('queue_passed_total') +
          of('packets_generated_total') -
          of('queue_tx_failed_total'),
      );
    }
  });

  it('have histograms whose buckets include the smaller ones, with sum and count', async () => {
    const mine = [...samples(await render())].filter(
      ([name]) => name.startsWith('vsnat_server_handshake_seconds') && name.includes('10.2.1.2:8080'),
    );
    const labels = 'service="web",server="10.2.1.2:8080"';
    const buckets = latencyBounds.map((bound) => {
      const le = Number.isInteger(bound) ? `${bound}.0` : String(bound);
      return [`vsnat_server_handshake_seconds_bucket{${labels},le="${le}"}`, bound < 1 ? 3 : 4];
    });
    expect(mine).toEqual([
      ...buckets,
      [`vsnat_server_handshake_seconds_bucket{${labels},le="+Inf"}`, 5],
      [`vsnat_server_handshake_seconds_sum{${labels}}`, 21.5],
      [`vsnat_server_handshake_seconds_count{${labels}}`, 5],
    ]);
  });

  it('give a service the connections of its servers, which have no more handshakes than connections', async () => {
    const values = samples(await render());
    const web = (name: string): number =>
      [...values]
        .filter(
          ([key]) =>
            key.startsWith(`vsnat_${name}{service="web"`) || key.startsWith(`vsnat_${name}{service="web",`),
        )
        .reduce((sum, [, value]) => sum + value, 0);
    expect(web('server_connections_total')).toBe(web('service_connections_total'));
    const refused = values.get(
      'vsnat_server_resets_total{service="web",server="10.2.1.2:8080",phase="handshake"}',
    );
    expect(
      web('server_handshake_seconds_count') +
        web('server_handshakes_ambiguous_total') +
        web('server_syn_unanswered_total') +
        2 * (refused ?? NaN),
    ).toBeLessThanOrEqual(web('server_connections_total'));
  });

  it('use exactly the labels they declare, the same for every series', () => {
    const told = tell({ ...busySample(), settings: { maxSeries: 10_000, nodeIpvs: true } });
    for (const { name, labels, series } of allDefinitions) {
      const all = [...series(told)];
      expect(all, name).not.toEqual([]);
      for (const one of all) expect(Object.keys(one.labels), name).toEqual(labels);
    }
  });

  it('never repeat a series', async () => {
    const lines = (await render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const names = lines.map((line) => line.slice(0, line.lastIndexOf(' ')));
    expect(new Set(names).size).toBe(names.length);
  });

  it('are read from one sample per scrape', async () => {
    let taken = 0;
    const registry = new MetricsRegistry(
      () => {
        taken += 1;
        return busySample();
      },
      { processMetrics: false },
    );
    await Promise.all([registry.render(), registry.render(openMetrics)]);
    expect(taken).toBe(2);
  });

  it('forget a service that left the configuration', async () => {
    let sample = busySample();
    const registry = new MetricsRegistry(() => sample, { processMetrics: false });
    await registry.render();
    sample = { ...sample, services: [], health: null };
    expect((await registry.render()).body).not.toContain('service="web"');
  });

  it('keep their names in the classic format after a scrape in OpenMetrics', async () => {
    const registry = new MetricsRegistry(busySample);
    const before = samples((await registry.render()).body);
    const open = await registry.render(openMetrics);
    const after = samples((await registry.render()).body);
    // Which kinds of handles are open is up to the moment.
    const lasting = (all: typeof before) => [...all.keys()].filter((key) => !/^nodejs_active_/.test(key));
    // The first garbage collection of a kind may come in between; what was there before must be there still.
    const isNewCollection = (key: string) => /^nodejs_gc_/.test(key) && !before.has(key);
    expect(lasting(after).filter((key) => !isNewCollection(key))).toEqual(lasting(before));
    expect(open.contentType).toMatch(/^application\/openmetrics-text/);
    expect(open.body.endsWith('# EOF\n')).toBe(true);
    expect(open.body).toContain('# TYPE vsnat_service_connections counter');
    expect(open.body).toContain('# TYPE vsnat_server_handshake_seconds histogram');
    const vsnat = (names: Iterable<string>): string[] =>
      [...names].filter((name) => name.startsWith('vsnat_'));
    expect(vsnat(samples(open.body).keys())).toEqual(vsnat(before.keys()));
  });

  testWith('promtool')('satisfy promtool, process metrics included', async () => {
    const { body } = await new MetricsRegistry(busySample).render();
    const { status, stderr, stdout } = spawnSync('promtool', ['check', 'metrics'], {
      input: body,
      encoding: 'utf8',
    });
    expect(`${stdout}${stderr}`).toBe('');
    expect(status).toBe(0);
  });
});
