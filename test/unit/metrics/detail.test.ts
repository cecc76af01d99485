// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { details, sizing, viewing, type Detail } from '../../../src/metrics/detail.js';
import type { Sample } from '../../../src/metrics/definition.js';
import { atOnce, sliceMs } from '../../../src/pace.js';
import type { ServerReport } from '../../../src/director/report.js';
import { noFailures } from '../../../src/health/tally.js';
import { MetricsRegistry, tell, type DetailChange } from '../../../src/metrics/registry.js';
import { busySample } from './sample.js';

interface Size {
  readonly services: number;
  readonly servers: number;
  readonly maxSeries: number;
  readonly nodeIpvs?: boolean;
}

/** The busy sample's web service, many times. */
function sampleOf({ services, servers, maxSeries, nodeIpvs = false }: Size): Sample {
  const sample = busySample();
  const [web] = sample.services;
  const [server] = web?.servers ?? [];
  if (web === undefined || server === undefined) throw new Error('the sample has a server');
  const nameOf = (n: number): string => `10.2.${n >> 8}.${n & 255}:80`;
  return {
    ...sample,
    settings: { maxSeries, nodeIpvs },
    services: Array.from({ length: services }, (_, s) => ({
      ...web,
      service: `service-${s}`,
      connections: 40 * servers,
      servers: Array.from({ length: servers }, (__, n) => ({ ...server, server: nameOf(n) })),
    })),
    health: {
      probes: 0,
      running: 0,
      queued: 0,
      failures: noFailures(),
      totals: Array.from({ length: services * servers }, (_, n) => ({
        service: `service-${n % services}`,
        server: nameOf(Math.trunc(n / services)),
        kind: n % 2 === 0 ? 'tcp' : 'http',
        good: 1,
        bad: 2,
        skipped: 3,
      })),
      durations: [],
      transitions: [],
    },
  };
}

const linesOf = (body: string): string[] =>
  body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

async function render(size: Size): Promise<string[]> {
  const { body } = await new MetricsRegistry(() => sampleOf(size), { processMetrics: false }).render();
  return linesOf(body);
}

const detailOf = (size: Size): Detail => tell(sampleOf(size)).detail;

/** The sum of a metric over all its series. */
function total(lines: readonly string[], name: string): number {
  return lines
    .filter((line) => line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

const unlimited = 1_000_000;

describe('the detail of the metrics', () => {
  it('goes down step by step as the configuration grows, and no further than it must', () => {
    const at = (services: number, servers: number): Detail =>
      detailOf({ services, servers, maxSeries: 10_000 });
    expect([at(10, 10), at(20, 15), at(100, 10), at(250, 2), at(5000, 1)]).toEqual([
      'servers',
      'servers-brief',
      'services',
      'services-brief',
      'total',
    ]);
    expect(detailOf({ services: 5000, servers: 1, maxSeries: unlimited })).toBe('servers');
  });

  it('is chosen by sizes that are those of the rows it will have', () => {
    const size = fc.record({
      services: fc.integer({ min: 0, max: 6 }),
      servers: fc.integer({ min: 0, max: 4 }),
      nodeIpvs: fc.boolean(),
    });
    fc.assert(
      fc.property(size, fc.constantFrom(...details), ({ nodeIpvs, ...of }, detail) => {
        const { health } = busySample();
        const sample = { ...sampleOf({ ...of, maxSeries: unlimited }), nodeIpvs };
        for (const viewed of [sample, { ...sample, health }]) {
          const view = atOnce(viewing(viewed, detail));
          const lengths = Object.entries(view).map(([part, rows]) => [part, (rows as unknown[]).length]);
          expect(atOnce(sizing(viewed))(detail)).toEqual(Object.fromEntries(lengths));
        }
      }),
    );
  });

  it('keeps to the limit whatever is configured, and says how many series are missing', async () => {
    const size = fc.record({
      services: fc.integer({ min: 0, max: 40 }),
      servers: fc.integer({ min: 0, max: 6 }),
      maxSeries: fc.integer({ min: 100, max: 9_000 }),
      nodeIpvs: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(size, async (one) => {
        const lines = await render(one);
        const all = await render({ ...one, maxSeries: unlimited });
        const dropped = lines.find((line) => line.startsWith('vsnat_metrics_series_dropped '));
        if (detailOf(one) !== 'total') expect(lines.length).toBeLessThanOrEqual(one.maxSeries);
        expect(Number(dropped?.split(' ')[1])).toBe(all.length - lines.length);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it.each([
    'vsnat_service_connections_total',
    'vsnat_server_connections_total',
    'vsnat_server_bytes_total',
    'vsnat_server_weight',
    'vsnat_server_syn_unanswered_total',
    'vsnat_server_handshake_seconds_count',
    'vsnat_server_handshake_seconds_sum',
    'vsnat_server_first_byte_seconds_bucket',
    'vsnat_server_up',
    'vsnat_health_checks_total',
  ])('changes nothing in the sum of %s', async (name) => {
    const sums = new Set<number>();
    for (const maxSeries of [unlimited, 4_000, 1_500, 1_000, 400, 100]) {
      sums.add(total(await render({ services: 12, servers: 4, maxSeries }), name));
    }
    expect(sums.size).toBe(1);
    expect([...sums][0]).toBeGreaterThan(0);
  });

  it.each([100, unlimited])(
    'is found out and told in slices, between which others have turns (%d series)',
    async (maxSeries) => {
      let now = 0; // a look at the clock takes a tenth of a millisecond
      let [inThisTurn, most, isOver] = [0, 0, false];
      const turn = (): void => {
        inThisTurn = 0;
        if (!isOver) setImmediate(turn);
      };
      turn();
      const sample = sampleOf({ services: 100, servers: 10, maxSeries });
      const counted = (servers: readonly ServerReport[]) => ({
        length: servers.length,
        *[Symbol.iterator]() {
          for (const server of servers) {
            most = Math.max(most, (inThisTurn += 1));
            yield server;
          }
        },
      });
      const services = [...sample.services].map((one) => ({ ...one, servers: counted([...one.servers]) }));
      const registry = new MetricsRegistry(() => ({ ...sample, services }), {
        processMetrics: false,
        now: () => (now += 0.1),
      });
      await registry.render();
      isOver = true;
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThanOrEqual(10 * sliceMs);
    },
  );

  it('tells what belongs to no server at every detail', async () => {
    const common = (lines: readonly string[]): string[] =>
      lines
        .map((line) => line.slice(0, line.lastIndexOf(' ')))
        .filter((line) => !/service=|vsnat_metrics_/.test(line));
    const most = common(await render({ services: 12, servers: 4, maxSeries: unlimited }));
    expect(common(await render({ services: 12, servers: 4, maxSeries: 100 }))).toEqual(most);
  });

  it('is told to the log when it changes, and only then', async () => {
    const said: DetailChange[] = [];
    let size: Size = { services: 2, servers: 2, maxSeries: unlimited };
    const registry = new MetricsRegistry(() => sampleOf(size), {
      processMetrics: false,
      onDetail: (change) => said.push(change),
    });
    await registry.render();
    expect(said).toEqual([]);
    size = { ...size, maxSeries: 100 };
    await registry.render();
    await registry.render();
    expect(said).toMatchObject([{ detail: 'total', maxSeries: 100 }]);
    size = { ...size, maxSeries: unlimited };
    await registry.render();
    expect(said).toHaveLength(2);
    expect(said[1]).toEqual({ detail: details[0], maxSeries: unlimited, seriesDropped: 0 });
  });
});
