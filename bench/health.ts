// SPDX-License-Identifier: Apache-2.0
/**
 * What health checks cost: the monitor alone in this process, real servers (every address of 127.1/16) in another.
 *
 *   npm run bench -- health [--kinds tcp,http,body,https,handshake] [--servers 2000] [--interval 2000] [--seconds 20]
 *     [--services 1] [--rounds 1]
 *
 * https resumes sessions, as it does with most servers; in `handshake` the server forgets them at once. Rounds take the kinds
 * in turn, for who compares them on a machine with other work.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import {
  createMonitor,
  makeCheckers,
  type Checker,
  type Checkers,
  type HealthMonitor,
} from '../src/health/index.js';
import { parseConfig } from '../src/config/index.js';
import { projectRoot } from '../test/netns/support/project-root.js';
import { virtualService, type HealthCheck, type Model, type Question } from '../src/model/index.js';

const response =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n';

const http = {
  kind: 'http',
  method: 'GET',
  path: '/healthz',
  host: null,
  headers: {},
  expect: [{ from: 200, to: 399 }],
  body: null,
  tls: null,
} as const;
const file = (name: string): string =>
  readFileSync(path.join(projectRoot, 'test/fixtures/tls', name), 'utf8');
const tls = {
  serverName: 'www.example.org',
  verify: true,
  ca: file('ca.crt'),
  certificate: null,
  key: null,
};

const questions: Readonly<Record<string, Question>> = {
  tcp: { kind: 'tcp' },
  http,
  body: { ...http, body: '^ok' },
  https: { ...http, kind: 'https', tls },
  handshake: { ...http, kind: 'https', tls: { ...tls } },
};

/** A real server on every address: answers a request, and closes as its peer does. */
async function serve(): Promise<void> {
  const answer = (socket: Socket): void => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(response));
  };
  const pair = { key: file('server.key'), cert: file('server.crt') };
  const forgetful = createTlsServer(pair, answer);
  const servers = [createServer(answer), createTlsServer(pair, answer), forgetful];
  setInterval(() => forgetful.setTicketKeys(randomBytes(48)), 100).unref();
  for (const server of servers) {
    server.listen({ host: '0.0.0.0', port: 0, backlog: 4096 });
    await once(server, 'listening');
  }
  process.send?.(servers.map((server) => (server.address() as AddressInfo).port));
  process.once('disconnect', () => servers.forEach((server) => server.close()));
}

interface Load {
  readonly kind: string;
  readonly servers: number;
  readonly services: number;
  readonly intervalMs: number;
  readonly seconds: number;
}

function modelFor({ kind, servers, services, intervalMs }: Load, port: number): Model {
  const question = questions[kind];
  if (question === undefined) throw new Error(`--kinds: must be of ${Object.keys(questions).join(', ')}`);
  const timing = {
    intervalMs,
    fastIntervalMs: intervalMs / 4,
    timeoutMs: 1000,
    rise: 2,
    fall: 3,
    jitter: 0.1,
  };
  const check: HealthCheck = { question, timing, port: null, source: null, through: 'direct', passive: true };
  const addresses = Array.from({ length: servers }, (_, i) => `127.1.${i >> 8}.${i & 255}:${port}`);
  return {
    ...parseConfig('services: []').model,
    services: Array.from({ length: services }, (_, i) =>
      virtualService({
        name: `s${i}`,
        listen: `tcp://10.9.0.1:${i + 1}`,
        servers: addresses,
        health: [check],
      }),
    ),
  };
}

const answers = (monitor: HealthMonitor, services: number): number =>
  [...monitor.facts().totals].reduce((sum, { good }) => sum + good, 0) / services;

/** All kinds, and when each check was begun. */
function noting(starts: number[]): Checkers {
  const noted = Object.entries(makeCheckers({ icmp: null })).map(([kind, checker]) => {
    const ask: Checker['ask'] = (question, target, finish) => {
      starts.push(performance.now());
      return (checker as Checker).ask(question, target, finish);
    };
    return [kind, { ...checker, ask }];
  });
  return Object.fromEntries(noted) as Checkers;
}

function busiestTenth(times: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const at of times) counts.set(Math.floor(at / 100), (counts.get(Math.floor(at / 100)) ?? 0) + 1);
  return Math.max(...counts.values());
}

async function measure(load: Load, port: number): Promise<void> {
  const starts: number[] = [];
  const monitor = createMonitor({ checkers: noting(starts), onChange: () => undefined });
  const began = performance.now();
  monitor.update(modelFor(load, port));
  await sleep(2 * load.intervalMs);
  const busiest = busiestTenth(starts.map((at) => at - began));
  const before = answers(monitor, load.services);
  const cpu = process.cpuUsage();
  const from = performance.now();
  await sleep(load.seconds * 1000);
  const { user, system } = process.cpuUsage(cpu);
  const ms = performance.now() - from;
  const checks = answers(monitor, load.services) - before;
  const notUp = monitor.states().filter(({ verdict }) => verdict !== 'up').length;
  await monitor.close();
  const share = (user + system) / 1000 / ms;
  console.log(
    `${load.kind.padEnd(9)} ${load.servers} servers, ${load.services} service(s), every ${load.intervalMs} ms: ` +
      `${Math.round((checks / ms) * 1000)} checks/s, ${(share * 100).toFixed(1)} % of a core, ` +
      `${Math.round((user + system) / checks)} µs a check (${Math.round((100 * system) / (user + system))} % kernel), ` +
      `${busiest} in the busiest 100 ms of the start, ${notUp} not up, rss ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`,
  );
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kinds: { type: 'string', default: 'tcp,http,body,https,handshake' },
      rounds: { type: 'string', default: '1' },
      servers: { type: 'string', default: '2000' },
      services: { type: 'string', default: '1' },
      interval: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '20' },
    },
  });
  const servers: ChildProcess = fork(fileURLToPath(import.meta.url), { env: { ...process.env, SERVE: '1' } });
  const [[plain, secure, forgetful]] = (await once(servers, 'message')) as [[number, number, number]];
  const kinds = values.kinds.split(',');
  for (const kind of Array<string[]>(Number(values.rounds)).fill(kinds).flat()) {
    await measure(
      {
        kind,
        servers: Number(values.servers),
        services: Number(values.services),
        intervalMs: Number(values.interval),
        seconds: Number(values.seconds),
      },
      kind === 'https' ? secure : kind === 'handshake' ? forgetful : plain,
    );
  }
  servers.disconnect();
}

await (process.env['SERVE'] === undefined ? main() : serve());
