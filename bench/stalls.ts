// SPDX-License-Identifier: Apache-2.0
/**
 * For how long the event loop is held up by what looks at all services and servers: a scrape, the tick that makes rates, and
 * the long answers of the admin API. All servers have traffic and are checked. Packets go in and out of memory, so it needs no
 * root; what is measured is JavaScript and the reading of counters.
 *
 *   npm run bench -- stalls [--services 10000] [--servers 10] [--rounds 5]
 *
 * A stall is what happens between two turns of the event loop; of each round the longest, of the rounds the median and the
 * most. It is told in processor time of this process, which a machine that is busy with others does not change much.
 */
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { jsonPieces } from '../src/admin/json-pieces.js';
import { takeSample } from '../src/cli/facts.js';
import { parseConfig } from '../src/config/index.js';
import { limitsFor, loadAddon, MemoryDataplane } from '../src/dataplane/native.js';
import { Director } from '../src/director/director.js';
import { Reloader } from '../src/director/reload.js';
import { RunTime } from '../src/director/run-time.js';
import { slotsNeeded } from '../src/director/slots.js';
import { createMonitor } from '../src/health/index.js';
import type { Checkers } from '../src/health/checker.js';
import type { Clock } from '../src/health/clock.js';
import { Pace } from '../src/pace.js';
import { MetricsRegistry } from '../src/metrics/registry.js';
import { realServer, virtualService, type Model } from '../src/model/index.js';
import { tcpPacket } from '../src/packet/build.js';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    servers: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
  },
});
const [services, servers, rounds] = [values.services, values.servers, values.rounds].map(Number) as [
  number,
  number,
  number,
];

const address = (net: number, index: number): string =>
  `${net}.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;

const vipOf = (service: number): string =>
  `${address(10, 1 + Math.floor(service / 10))}:${1000 + (service % 10)}`;

const checks = parseConfig(
  'services: [{ name: a, listen: tcp://10.0.0.1:80, servers: [10.0.0.2:80], health: { type: tcp, interval: 1h } }]',
).model.services.flatMap(({ health }) => health);

/** `weight` of the first server of every service: another one is another configuration. */
const modelOf = (weight: number): Model => ({
  ...parseConfig('services: []').model,
  metrics: { listen: null, nodeIpvs: true, maxSeries: 10_000 },
  services: Array.from({ length: services }, (_, s) =>
    virtualService({
      name: `service-${s}`,
      listen: `tcp://${vipOf(s)}`,
      scheduler: 'rr',
      servers: Array.from({ length: servers }, (__, n) =>
        realServer(`${address(11, 1 + s * servers + n)}:53`, { weight: n === 0 ? weight : 1 }),
      ),
      health: checks,
    }),
  ),
});

const stopped: Clock = { now: () => 0, wall: () => 0, after: () => () => undefined };

/** A handshake with every server, so that each of them has something of everything to tell. */
function greetAll(process: (packet: Uint8Array) => Uint8Array | undefined): void {
  for (let n = 0; n < services * servers; n += 1) {
    const [client, vip] = [`${address(12, 1 + n)}:4000`, vipOf(Math.trunc(n / servers))];
    const given = process(tcpPacket(client, vip));
    if (given === undefined) throw new Error('a SYN was not forwarded');
    const server = [...given.subarray(16, 20)].join('.');
    process(tcpPacket(`${server}:53`, client, { flags: ['syn', 'ack'], ack: 1 }));
  }
}

interface Stall {
  readonly what: string;
  readonly longestMs: number;
  readonly totalMs: number;
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What everybody else on the event loop sees of it. */
async function watched(what: string, work: () => unknown): Promise<Stall> {
  await setImmediate();
  let [longestMs, isOver] = [0, false];
  const began = processorMs();
  let last = began;
  const look = (): void => {
    const now = processorMs();
    longestMs = Math.max(longestMs, now - last);
    last = now;
  };
  const others = (async () => {
    while (!isOver) {
      await setImmediate();
      look();
    }
  })();
  await work();
  look();
  isOver = true;
  await others;
  return { what, longestMs, totalMs: last - began };
}

/** As admin/write-slices.ts writes an answer, without the peer. */
async function answered(body: unknown): Promise<void> {
  const pace = new Pace();
  let length = 0;
  for (const piece of jsonPieces(body)) {
    length += piece.length;
    if (pace.isOver) await pace.rest();
  }
  if (length < services) throw new Error('the answer is too short');
}

function* statesOf(of: Director): Generator<object> {
  for (const one of of.checked()) yield one.state();
}

const require = createRequire(import.meta.url);
// The harness is compiled to a place of its own; the addon stays where it was built.
const addon = loadAddon(() => (require('node-gyp-build') as (root: string) => unknown)(process.cwd()));
const model = modelOf(1);
const dataplane = new MemoryDataplane(
  { queues: 2, flowCapacity: 262_144 },
  limitsFor(slotsNeeded(model)),
  addon,
);
const director = await Director.start(
  {
    dataplane,
    // Nobody is asked.
    health: (onChange) => createMonitor({ onChange, checkers: { tcp: {} } as Checkers, clock: stopped }),
  },
  model,
);
greetAll((packet) => dataplane.process({ packet, nowMs: 1000 }).outputs[0]?.packet);
const runTime = new RunTime(director);
await director.apply(modelOf(7)); // behind the back of who remembers the file, so that all of it is not in the file
const build = { version: '0', node: process.versions.node, addonAbi: 0 };
const reloader = new Reloader({
  load: () => Promise.resolve(model),
  apply: () => Promise.resolve([]),
  now: Date.now,
});
const admin = { requests: [], times: [], rejected: [], streams: 0, streamsDropped: 0 };
const registry = new MetricsRegistry(() => takeSample(director, { reloader, runTime }, build, admin));

const works: readonly (readonly [what: string, work: () => unknown])[] = [
  ['nothing', () => undefined],
  ['counters', () => director.counters()],
  ['scrape', () => registry.render()],
  ['tick of the rates', () => runTime.tick()],
  ['GET /v1/services', () => answered({ services: director.listing() })],
  ['GET /v1/stats', async () => answered({ services: await runTime.numbers() })],
  ['GET /v1/table', async () => answered(await runTime.table())],
  ['GET /v1/health', () => answered({ servers: statesOf(director) })],
  ['GET /v1/changes', async () => answered({ changes: (await runTime.settled()).deviations })],
];
const stalls: Stall[] = [];
for (let round = 0; round < rounds; round += 1)
  for (const [what, work] of works) stalls.push(await watched(what, work));

const text = (all: readonly number[]): string => {
  const sorted = [...all].sort((a, b) => a - b);
  return [sorted[sorted.length >> 1], sorted.at(-1)]
    .map((value) => (value ?? NaN).toFixed(1).padStart(8))
    .join(' ');
};
console.log(`${services} services of ${servers} servers, ${rounds} rounds`);
console.log(`${''.padEnd(20)}longest stall, ms      all of it, ms`);
console.log(`${''.padEnd(20)}  median     most     median     most`);
for (const [what] of works) {
  const mine = stalls.filter((stall) => stall.what === what);
  console.log(
    `${what.padEnd(20)}${text(mine.map(({ longestMs }) => longestMs))}   ${text(mine.map(({ totalMs }) => totalMs))}`,
  );
}
await director.close();
