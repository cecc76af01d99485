// SPDX-License-Identifier: Apache-2.0
/**
 * What a change costs a director of 10,000 services with 10 servers each, over a real TUN device with packets flowing: its
 * load from a file, one server's verdict, a step of a slow start, a reload that changes one service, and one that changes
 * every service. Of each: how long JavaScript is held at once at most, how long the swap takes of that, and whether any packet was lost.
 * Exit code 1 when a limit of scale-limits.ts is not kept.
 *
 *   npm run bench -- scale [--services 10000] [--servers 10] [--rounds 5]
 *
 * Needs root: it runs itself again in a network namespace of its own. Packets are datagrams of a process beside it; none is
 * lost when as many were forwarded as were sent, over all of the changes.
 */
import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { loadConfig } from '../src/config/index.js';
import { limitsFor, loadAddon, TunDataplane } from '../src/dataplane/native.js';
import { Director } from '../src/director/director.js';
import { slotsNeeded } from '../src/director/slots.js';
import { serverId, type VirtualService } from '../src/model/index.js';
import { PlayedMonitor } from '../test/unit/director/played.js';
import { brokenLimits } from './scale-limits.js';
import { address, modelOf, withFile } from './scale-models.js';

const self = fileURLToPath(import.meta.url);
/** Says what it is told to say, and keeps no model alive. */
class Played extends PlayedMonitor {
  override update = (): void => undefined;
}

function says(monitor: Played, service: VirtualService, index: number, verdict: 'up' | 'down'): void {
  const server = service.servers[index];
  if (server === undefined) throw new Error('no such server');
  const quiet = { weightPercent: null, drainAsked: false, suspect: false, since: 0, checks: [] };
  monitor.tell([{ service: service.name, server: serverId(server), verdict, ...quiet }]);
}

/** Sends to the first service until it is told to stop, and says how many it were. */
function send(): void {
  const socket = createSocket('udp4');
  let sent = 0;
  let isOver = false;
  const burst = (): void => {
    if (isOver) return;
    for (let index = 0; index < 20; index++) socket.send('x', 1000, address(10, 1), () => (sent += 1));
    setTimeout(burst, 1);
  };
  socket.bind(() => burst());
  process.on('message', () => {
    isOver = true;
    setTimeout(() => {
      process.send?.(sent);
      socket.close();
      process.disconnect();
    }, 200);
  });
}

const ip = (...argv: string[]): void => {
  const { status, stderr } = spawnSync('ip', argv, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${argv.join(' ')}: ${stderr}`);
};

/** Its result, and the longest that nobody else had a turn. */
async function held<T>(work: () => T | Promise<T>): Promise<{ readonly result: T; readonly ms: number }> {
  const over = new AbortController();
  let [last, ms] = [performance.now(), 0];
  const look = (): void => {
    const now = performance.now();
    ms = Math.max(ms, now - last);
    last = now;
  };
  const others = (async () => {
    while (!over.signal.aborted) {
      await setImmediate();
      look();
    }
  })();
  const result = await work();
  look();
  over.abort();
  await others;
  return { result, ms };
}

interface Row {
  readonly what: string;
  /** The longest that JavaScript was held at once. */
  readonly ms: number;
  readonly cpuMs: number;
  /** null: nothing was swapped under traffic. */
  readonly swapMs: number | null;
}

async function measure(services: number, servers: number, rounds: number): Promise<void> {
  const rows: Row[] = [];
  const timed = async <T>(what: string, work: () => T | Promise<T>, swapMs?: () => number): Promise<T> => {
    const cpu = process.cpuUsage();
    const { result, ms } = await held(work);
    const { user, system } = process.cpuUsage(cpu);
    rows.push({ what, ms, cpuMs: (user + system) / 1000, swapMs: swapMs?.() ?? null });
    return result;
  };
  const model = await withFile(services, servers, (file) =>
    timed('load: file to model', () => loadConfig(file).model),
  );
  // The harness is compiled to a place of its own; the addon stays where it was built.
  const require = createRequire(import.meta.url);
  const addon = loadAddon(() => (require('node-gyp-build') as (root: string) => unknown)(process.cwd()));
  const dataplane = new TunDataplane(
    {
      name: 'scale0',
      queues: Math.min(4, availableParallelism()),
      offload: 'auto',
      flowCapacity: 65_536,
      steering: 'auto',
      ingress: false,
      egress: false,
      shortcuts: false,
      io: 'auto',
      limits: limitsFor(slotsNeeded(model)),
    },
    addon,
  );
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'out1');
  ip('addr', 'add', '172.16.0.1/24', 'dev', 'out0');
  for (const name of ['out0', 'out1', 'scale0']) ip('link', 'set', name, 'up');
  ip('link', 'set', 'scale0', 'txqueuelen', '5000'); // as host/ does
  // Nobody is there, and nobody need be asked.
  ip('neigh', 'add', address(11, 1), 'lladdr', '02:00:00:00:00:01', 'dev', 'out0');
  ip('route', 'add', '11.0.0.0/8', 'dev', 'out0');
  ip('route', 'add', '10.0.0.0/8', 'dev', 'scale0', 'src', '172.16.0.1');

  let monitor: Played | undefined;
  const running = await timed('load: first publish', () =>
    Director.start(
      { dataplane, start: (it) => it.start(), health: (onChange) => (monitor = new Played(onChange)) },
      model,
    ),
  );
  if (monitor === undefined) throw new Error('nobody checks');
  const checks: Played = monitor;

  const sender: ChildProcess = fork(self, ['--sender'], { stdio: 'inherit' });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const [first, other] = [model.services[0], model.services[1]];
  if (first === undefined || other === undefined) throw new Error('at least two services');
  const swap = (): number => dataplane.swapSeconds() * 1000;
  for (let round = 1; round <= rounds; round++) {
    await timed('a server goes down', () => says(checks, other, 0, 'down'), swap);
    await timed('it comes up: first step of its slow start', () => says(checks, other, 0, 'up'), swap);
    const same = modelOf(services, servers, round - 1);
    const none = await timed('reload, nothing changed', () => running.apply(same));
    if (round === 1 && none.length > 0)
      throw new Error(`the file says something else: ${none.length} changes`);
    const one = {
      ...same,
      services: same.services.map((it, s) =>
        s === 7 ? { ...it, timeouts: { ...it.timeouts, udp: 100 + round } } : it,
      ),
    };
    await timed('reload, one service changed', () => running.apply(one), swap);
    const all = modelOf(services, servers, round);
    await timed('reload, every service changed', () => running.apply(all), swap);
  }
  const answered = once(sender, 'message');
  sender.send('stop');
  const [sent] = (await answered) as [number];
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { queues } = running.counters();
  const forwarded = queues.reduce((sum, queue) => sum + queue.forwarded, 0);
  await running.close();
  report(rows, sent, forwarded);
}

function report(rows: readonly Row[], sent: number, forwarded: number): void {
  const text = (values: readonly number[]): string => {
    if (values.length === 0) return `${'-'.padStart(9)} ${'-'.padStart(9)}`;
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted[sorted.length >> 1] ?? 0;
    return `${middle.toFixed(2).padStart(9)} ${(sorted.at(-1) ?? 0).toFixed(2).padStart(9)}`;
  };
  const heads = ['longest hold, ms', 'CPU of all, ms', 'swap, ms'];
  console.log(`${''.padEnd(44)}${heads.map((head) => head.padStart(19)).join(' ')}`);
  console.log(
    `${''.padEnd(44)}${heads.map(() => `${'median'.padStart(9)} ${'most'.padStart(9)}`).join(' ')}`,
  );
  for (const what of new Set(rows.map((row) => row.what))) {
    const of = rows.filter((row) => row.what === what);
    const columns = [of.map(({ ms }) => ms), of.map(({ cpuMs }) => cpuMs), swapsOf(of)];
    console.log(`${what.padEnd(44)}${columns.map(text).join(' ')}`);
  }
  console.log(`packets sent ${sent}, forwarded ${forwarded}, lost ${sent - forwarded}`);
  const loadCpuMs = rows.reduce((sum, { what, cpuMs }) => sum + (what.startsWith('load') ? cpuMs : 0), 0);
  const broken = brokenLimits({ loadCpuMs, swapMs: swapsOf(rows), sent, forwarded });
  for (const sentence of broken) console.error(sentence);
  if (broken.length > 0) process.exitCode = 1;
}

const swapsOf = (rows: readonly Row[]): readonly number[] => rows.flatMap(({ swapMs }) => swapMs ?? []);

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '10000' },
    servers: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
    sender: { type: 'boolean', default: false },
    inside: { type: 'boolean', default: false },
  },
});
if (values.sender) send();
else if (values.inside) await measure(Number(values.services), Number(values.servers), Number(values.rounds));
else {
  const argv = ['-n', process.execPath, ...process.execArgv, self, ...process.argv.slice(2), '--inside'];
  process.exitCode = spawnSync('unshare', argv, { stdio: 'inherit' }).status ?? 1;
}
