// SPDX-License-Identifier: Apache-2.0
/**
 * How long a scrape takes while the daemon has other work: many services, datagrams and connections as fast as they go.
 * The times are curl's, from the connection to the last byte, in the director's namespace.
 *
 *   npm run bench -- scrape [--services 300] [--servers 10] [--scrapes 200] [--max-series 10000]
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import type { ServiceConfig } from '../test/netns/support/daemon.js';
import { at, Lab, standardServices, vip } from '../test/netns/support/lab.js';
import { sweepLeftovers } from '../test/netns/support/namespace.js';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '300' },
    servers: { type: 'string', default: '10' },
    scrapes: { type: 'string', default: '200' },
    'max-series': { type: 'string', default: '10000' },
  },
});
const [services, servers, scrapes, maxSeries] = [
  values.services,
  values.servers,
  values.scrapes,
  values['max-series'],
].map(Number) as [number, number, number, number];

const manyServices = (): readonly ServiceConfig[] =>
  Array.from({ length: services }, (_, s) => ({
    name: `service-${s}`,
    listen: `tcp://${at(vip.v4, 10_000 + s)}`,
    servers: Array.from({ length: servers }, (__, n) => ({
      address: at(`10.2.${(n % 3) + 1}.2`, 20_000 + n),
    })),
  }));

async function scrape(lab: Lab): Promise<{ milliseconds: number; bytes: number }> {
  const output = await lab.topology.director.namespace.must([
    ...['curl', '-sf', '-m', '10', '-o', '/dev/null', '-w', '%{time_total} %{size_download}'],
    'http://127.0.0.1:9191/metrics',
  ]);
  const [seconds = NaN, bytes = NaN] = output.split(' ').map(Number);
  return { milliseconds: seconds * 1000, bytes };
}

async function measure(name: string, lab: Lab): Promise<void> {
  const times: number[] = [];
  let bytes = 0;
  for (let i = 0; i < scrapes; ++i) {
    const one = await scrape(lab);
    times.push(one.milliseconds);
    bytes = one.bytes;
    await setTimeout(20);
  }
  times.sort((a, b) => a - b);
  const quantile = (q: number): string =>
    (times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? NaN).toFixed(1).padStart(7);
  const { text } = await lab.daemon.metrics();
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  console.log(
    `${name.padEnd(8)} p50 ${quantile(0.5)} ms  p90 ${quantile(0.9)}  p99 ${quantile(0.99)}  max ${quantile(1)}` +
      `  (${scrapes} scrapes, ${series} series, ${Math.round(bytes / 1024)} KiB)`,
  );
}

await sweepLeftovers();
const lab = await Lab.create({ config: { metrics: { max_series: maxSeries } } });
try {
  const standard = standardServices(lab.topology.servers);
  await lab.stopDaemon();
  await lab.startDaemon({ ...lab.config, services: [...standard, ...manyServices()] });
  await measure('idle', lab);
  const seconds = 600;
  const flood = [
    await lab.startLoad('udp', {
      to: at(vip.v4, vip.udp),
      sources: 64,
      datagrams: 100_000_000,
      window: 64,
      seconds,
    }),
    await lab.startLoad('http', {
      to: at(vip.v4, vip.http),
      mode: 'connect',
      requests: 100_000_000,
      connections: 32,
      seconds,
    }),
  ];
  await setTimeout(2000);
  const before = await lab.daemon.metrics();
  const began = performance.now();
  await measure('flooded', lab);
  const after = await lab.daemon.metrics();
  const rate = (name: string): string =>
    Math.round(((after.sum(name) - before.sum(name)) * 1000) / (performance.now() - began)).toLocaleString(
      'en',
    );
  console.log(
    `meanwhile ${rate('vsnat_queue_forwarded_total')} packets/s, ${rate('vsnat_service_connections_total')} new connections/s`,
  );
  await Promise.all(flood.map(({ process: load }) => load.stop()));
} finally {
  await lab.close();
}
