// SPDX-License-Identifier: Apache-2.0
/** No packet is lost unseen: the equations of docs/metrics.md, under a flood, while the configuration changes. */
import { expect, test } from 'vitest';
import { at, vip } from './support/lab.js';
import type { Metrics } from './support/metrics.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

interface QueueTotals {
  readonly rx: number;
  /** Read, and accounted for. */
  readonly seen: number;
  readonly tx: number;
  /** Accounted for, and to be transmitted. */
  readonly leaving: number;
}

/** A burst, which a queue may have in hand. */
const inHand = 32;
/** Buffers of io_uring, all of which may be on their way out. */
const onTheirWay = 64;

/** By queue: what was read from the device and written to it, and what is accounted for. */
const totalsOf = (metrics: Metrics): ReadonlyMap<string, QueueTotals> =>
  new Map(
    Object.keys(metrics.by('queue', 'vsnat_queue_packets_total')).map((queue) => {
      const of = (name: string, labels = {}): number => metrics.sum(name, { queue, ...labels });
      const kept = of('vsnat_queue_forwarded_total') + of('vsnat_queue_passed_total');
      const held = of('vsnat_queue_fragments_held_total') - of('vsnat_queue_fragments_released_total');
      return [
        queue,
        {
          rx: of('vsnat_queue_packets_total', { direction: 'rx' }),
          seen: kept + of('vsnat_packets_dropped_total') + held,
          tx: of('vsnat_queue_packets_total', { direction: 'tx' }),
          leaving: kept + of('vsnat_packets_generated_total') - of('vsnat_queue_tx_failed_total'),
        },
      ];
    }),
  );

for (const io of ['uring', 'poll'] as const)
  suite(`the counters, io: ${io}`, () => {
    const lab = useLab({ scheduler: 'wrr', config: { tun: { io } } });

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
      // what the scrape before had accounted for and what the next one has, with a burst in hand; and what was written
      // between what the scrape before had to be written, but for what was on its way, and what the next one has.
      const none: QueueTotals = { rx: NaN, seen: NaN, tx: NaN, leaving: NaN };
      const queues = [...(scrapes[0]?.keys() ?? [])];
      expect(queues.length).toBeGreaterThan(0);
      for (const queue of queues) {
        const all = scrapes.map((scrape) => scrape.get(queue) ?? none);
        for (let index = 1; index + 1 < all.length; index += 1) {
          const [before = none, now = none, after = none] = all.slice(index - 1, index + 2);
          expect(now.rx).toBeGreaterThanOrEqual(before.seen);
          expect(now.rx).toBeLessThanOrEqual(after.seen + inHand);
          expect(now.tx).toBeGreaterThanOrEqual(before.leaving - onTheirWay);
          expect(now.tx).toBeLessThanOrEqual(after.leaving);
        }
      }
      const total = (of: ReadonlyMap<string, QueueTotals> | undefined): number =>
        [...(of?.values() ?? [])].reduce((sum, { rx }) => sum + rx, 0);
      expect(total(scrapes.at(-1)) - total(scrapes[0])).toBeGreaterThan(10_000); // there was a flood
      const metrics = await lab().daemon.metrics();
      expect(metrics.sum('vsnat_config_reloads_total', { result: 'applied' })).toBeGreaterThanOrEqual(8);
      expect(metrics.nobodysPackets).toBe(0);
    });
  });

suite('what is forwarded', () => {
  const lab = useLab({ servers: 2 });
  const server = (index: number): string => at(lab().server(index).ipv4, ports.http);
  const quick = { interval: '2s', fast_interval: '100ms', timeout: '2s', rise: 1, fall: 1 };
  const metrics = () => lab().daemon.metrics();

  test('is of a server, of a sorry server while it is told of, or of a check through the VIP', async () => {
    await lab().daemon.reload({
      services: [
        {
          name: 'web',
          listen: `tcp://${at(vip.v4, vip.http)}`,
          timeouts: { tcp_fin_wait: '1s', tcp_time_wait: '1s', tcp_close: '1s', tcp_last_ack: '1s' },
          health: { type: 'http', path: '/', through: 'vip', source: '10.118.0.1', ...quick },
          servers: [server(0)],
          sorry_server: server(1),
        } as never,
      ],
    });
    const load = async (): Promise<unknown> =>
      lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 20, seconds: 60 });
    const up = async (): Promise<number> => (await metrics()).sum('vsnat_server_up', { server: server(0) });
    const isSorryTold = async (): Promise<boolean> =>
      (await metrics()).sum('vsnat_server_effective_weight', { server: server(1) }) > 0;
    await until('the server to be up', async () => (await up()) === 1);
    await load();

    // Checks go on, so both sides are only now and then the same at one scrape; a packet that is nobody's stays nobody's.
    const isAllSomebodys = async (): Promise<boolean> => (await metrics()).nobodysPackets === 0;
    await until('every packet to be somebody’s', isAllSomebodys);
    await lab()
      .server(0)
      .namespace.must([
        'nft',
        `add table inet closed; add chain inet closed in { type filter hook input priority 0; }; ` +
          `add rule inet closed in tcp dport ${ports.http} reject with tcp reset`,
      ]);
    await until('the sorry server to serve', isSorryTold);
    expect(await load()).toMatchObject({ answered: 20, failed: 0, byServer: { rs2: 20 } });
    await until('every packet to be somebody’s, the sorry server’s too', isAllSomebodys);
    const told = await metrics();
    const ofSorry = { service: 'web', server: server(1) };
    expect(told.sum('vsnat_server_connections_total', ofSorry)).toBe(20);
    expect(told.sum('vsnat_server_packets_total', { ...ofSorry, direction: 'out' })).toBeGreaterThan(60);
    expect(told.sum('vsnat_server_connections_total', { service: 'web' })).toBe(
      told.sum('vsnat_service_connections_total', { service: 'web' }),
    );
    expect(told.sum('vsnat_health_packets_total', { direction: 'in' })).toBeGreaterThan(0);
    expect(told.sum('vsnat_health_packets_total', { direction: 'out' })).toBeGreaterThan(0);
    expect(told.sum('vsnat_health_connections_total')).toBeLessThanOrEqual(
      told.sum('vsnat_health_checks_total') + told.sum('vsnat_health_probes_running'),
    );
    await lab().server(0).namespace.must(['nft', 'delete table inet closed']);
    await until('the server to be up again', async () => (await up()) === 1);
    const ofIts = told.sum('vsnat_server_packets_total', ofSorry);
    await until('the sorry server to take its part along', async () => {
      return (await metrics()).nobodysPackets >= ofIts;
    });
    // Closed: the failures have names, and each check has been counted once.
    await until('each failed check to have a name', async () => {
      const last = await metrics();
      const of = (result: string): number => last.sum('vsnat_health_checks_total', { result });
      const refused = last.sum('vsnat_health_failures_total', { reason: 'refused' });
      return refused > 0 && last.sum('vsnat_health_failures_total') === of('bad') + of('skipped');
    });
  }, 180_000);
});
