// SPDX-License-Identifier: Apache-2.0
/** Builds and runs vsnat-load (bench/load): servers in the real servers' namespaces, load in the client's. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Namespace } from './namespace.js';
import { must, type Background } from './process.js';
import { projectRoot } from './project-root.js';
import type { RealServer } from './topology.js';

export const ports = { stream: 5001, http: 8080, udp: 5300, talk: 5500 } as const;
export const sinkPort = 5400;

type Tally = Readonly<Record<string, number>>;

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface StreamResult {
  readonly streams: number;
  readonly failed: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly bytesSentByServer: number;
  readonly badBytes: number;
  readonly firstBad?: number;
  readonly seconds: number;
  readonly gbitPerSecond: number;
  readonly errors: Tally;
}

export interface HttpResult {
  readonly answered: number;
  readonly failed: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly microseconds: Percentiles;
  readonly byServer: Tally;
  readonly errors: Tally;
}

export interface UdpResult {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupted: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly byServer: Tally;
  readonly errors: Tally;
}

export interface FloodResult {
  readonly flows: number;
  readonly sent: number;
  readonly received: number;
  readonly bytesReceived: number;
  readonly lost: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly gbitPerSecond: number;
  readonly errors: Tally;
}

export interface TalkResult {
  readonly connections: number;
  readonly opened: number;
  readonly lost: number;
  readonly messages: number;
  readonly badBytes: number;
  readonly seconds: number;
  readonly longestSeconds: number;
  readonly errors: Tally;
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  readonly hopLimits: Tally;
  readonly microseconds: Percentiles;
  readonly errors: Tally;
}

export interface Results {
  readonly stream: StreamResult;
  readonly http: HttpResult;
  readonly udp: UdpResult;
  readonly flood: FloodResult;
  readonly ping: PingResult;
  readonly talk: TalkResult;
}

const flags = ['-O2', '-ftree-vectorize', '-std=c++20', '-fno-exceptions', '-fno-rtti', '-pthread'];

/** Many labs of one process may want it at once. */
function onceOnly(make: () => Promise<string>): () => Promise<string> {
  let made: Promise<string> | undefined;
  return () => (made ??= make());
}

/** The program built from `folder`: node-gyp's when it is there and fresh, else one compiled into .cache. */
async function program(folder: string, name: string): Promise<string> {
  const sources = readdirSync(path.join(projectRoot, folder))
    .filter((file) => /\.(cc|h)$/.test(file))
    .map((file) => path.join(projectRoot, folder, file));
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  const cached = path.join(projectRoot, '.cache/bench', name);
  for (const candidate of [path.join(projectRoot, 'build/Release', name), cached]) {
    if (existsSync(candidate) && statSync(candidate).mtimeMs >= newest) return candidate;
  }
  mkdirSync(path.dirname(cached), { recursive: true });
  const unfinished = `${cached}.${randomUUID()}`; // several processes may get here at once
  await must(['g++', ...flags, ...sources.filter((file) => file.endsWith('.cc')), '-o', unfinished], {
    timeoutMs: 180_000,
  });
  renameSync(unfinished, cached);
  return cached;
}

export const loadProgram = onceOnly(() => program('bench/load', 'vsnat-load'));
export const floorProgram = onceOnly(() => program('bench/floor', 'vsnat-floor'));

/**
 * A real server that speaks all of the protocols under its own name. With a file to count in, it takes in what `flood`
 * sends as well.
 */
export async function serve(server: RealServer, countFile?: string): Promise<Background> {
  const listening = Object.entries(ports).flatMap(([name, port]) => [`--${name}`, String(port)]);
  if (countFile !== undefined) listening.push('--sink', String(sinkPort), '--count', countFile);
  const child = server.namespace.spawn([await loadProgram(), 'serve', '--name', server.name, ...listening]);
  await child.waitForOutput(/^ready$/m);
  return child;
}

export type LoadOptions = Readonly<Record<string, string | number>>;

const commandLine = async (command: keyof Results, options: LoadOptions): Promise<string[]> => [
  await loadProgram(),
  command,
  ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
];

function resultOf(output: string, errors: string): unknown {
  if (!output.startsWith('{')) throw new Error(`vsnat-load said no result:\n${output}${errors}`);
  return JSON.parse(output);
}

/** Runs one load to its end; failures are in the result, not thrown. */
export async function load<C extends keyof Results>(
  from: Namespace,
  command: C,
  options: LoadOptions,
): Promise<Results[C]> {
  const { stdout, stderr } = await from.run(await commandLine(command, options), { timeoutMs: 600_000 });
  return resultOf(stdout, stderr) as Results[C];
}

/** The same in the background, for tests that do something to the director meanwhile. */
export async function startLoad<C extends keyof Results>(
  from: Namespace,
  command: C,
  options: LoadOptions,
): Promise<{ readonly process: Background; readonly result: () => Promise<Results[C]> }> {
  const child = from.spawn(await commandLine(command, options));
  return {
    process: child,
    result: async () => {
      const { stdout, stderr } = await child.finish(600_000);
      return resultOf(stdout, stderr) as Results[C];
    },
  };
}
