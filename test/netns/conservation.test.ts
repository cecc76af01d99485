// SPDX-License-Identifier: Apache-2.0
/** No packet is lost unseen: the equations of docs/metrics.md, under a flood, while the configuration changes. */
import { expect, test } from 'vitest';
import { at, vip } from './support/lab.js';
import type { Metrics } from './support/metrics.js';
import { suite, useLab } from './support/suite.js';

interface QueueTotals {
  readonly rx: number;
  readonly seen: number;
}

/** A burst, which a queue may have in hand. */
const inHand = 32;

suite('the counters', () => {
  const lab = useLab({ scheduler: 'wrr' });

  /** By queue: what was read from the device, and what is accounted for. */
  const totalsOf = (metrics: Metrics): ReadonlyMap<string, QueueTotals> =>
    new Map(
      Object.keys(metrics.by('queue', 'vsnat_queue_packets_total')).map((queue) => {
        const of = (name: string, labels = {}): number => metrics.sum(name, { queue, ...labels });
        const rx = of('vsnat_queue_packets_total', { direction: 'rx' });
        const seen =
          of('vsnat_queue_forwarded_total') +
          of('vsnat_queue_passed_total') +
          of('vsnat_packets_dropped_total') +
          of('vsnat_queue_fragments_held_total') -
          of('vsnat_queue_fragments_released_total');
        return [queue, { rx, seen }];
      }),
    );

  test('add up at every moment of a flood with reloads, and to the last packet behind it', async () => {
    const seconds = 60;
    const loads = [
      await lab().startLoad('udp', {
        to: at(vip.v4, vip.udp),
        sources: 64,
        datagrams: 100_000_000,
        window: 64,
        seconds,
      }),
      await lab().startLoad('http', {
        to: at(vip.v4, vip.http),
        mode: 'connect',
        requests: 100_000_000,
        connections: 16,
        seconds,
      }),
    ];
    const scrapes: ReadonlyMap<string, QueueTotals>[] = [];
    const { services, ...config } = lab().config;
    for (let round = 1; round <= 8; round += 1) {
      await lab().daemon.reload({
        ...config,
        services: services.map((service) => ({
          ...service,
          servers: service.servers.map((server, index) => ({
            ...(typeof server === 'string' ? { address: server } : server),
            weight: 1 + ((index + round) % 3),
          })),
        })),
      });
      scrapes.push(totalsOf(await lab().daemon.metrics()));
    }
    await Promise.all(loads.map(({ process: load }) => load.stop()));
    await lab().daemon.assertConservation();

    // The counters of a scrape are read one after the other while packets pass. So what was read lies between
    // what the scrape before had accounted for and what the next one has, with a burst in hand.
    const queues = [...(scrapes[0]?.keys() ?? [])];
    for (const queue of queues) {
      const all = scrapes.map((scrape) => scrape.get(queue) ?? { rx: NaN, seen: NaN });
      for (let index = 1; index + 1 < all.length; index += 1) {
        expect(all[index]?.rx).toBeGreaterThanOrEqual(all[index - 1]?.seen ?? NaN);
        expect(all[index]?.rx).toBeLessThanOrEqual((all[index + 1]?.seen ?? NaN) + inHand);
      }
    }
    const total = (of: ReadonlyMap<string, QueueTotals> | undefined): number =>
      [...(of?.values() ?? [])].reduce((sum, { rx }) => sum + rx, 0);
    expect(total(scrapes.at(-1)) - total(scrapes[0])).toBeGreaterThan(10_000); // there was a flood
    const metrics = await lab().daemon.metrics();
    expect(metrics.sum('vsnat_config_reloads_total', { result: 'applied' })).toBeGreaterThanOrEqual(8);
  }, 120_000);
});
