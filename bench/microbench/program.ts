// SPDX-License-Identifier: Apache-2.0
/** The program of bench/micro: built, asked for its cases, run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import path from 'node:path';
import { projectRoot } from '../../test/netns/support/project-root.js';
import type { MicroOptions } from './options.js';
import type { MicroSample } from './results.js';

export class MicroError extends Error {}

export const program = path.join(projectRoot, '.cache/micro/micro');

/** A process for each: what one leaves in the heap is not the next one's. */
const groups = ['wire', 'hash', 'table', 'schedulers', 'step', 'scaling', 'expiry', 'memory'] as const;

const canCompile = (source: string): boolean =>
  spawnSync('g++', ['-std=c++20', '-fsyntax-only', '-xc++', '-'], { input: source }).status === 0;

/** Whose tables are compared with where they are installed, and what to do where they are not. */
const peers = [
  ['Abseil', 'absl::flat_hash_map is not compared: apt-get install libabsl-dev'],
  ['Boost', 'boost::unordered_flat_map is not compared: see bench/README.md'],
] as const;

/** Sentences about the tables it was compiled with, and about those it was not. */
function peerNotes(): string[] {
  const versions = execFileSync(program, ['--peers'], { encoding: 'utf8' }).trim().split('\n');
  const missing = peers.filter(([name]) => !versions.some((version) => version.startsWith(`${name} `)));
  return [`tables of ${versions.join(', ')}`, ...missing.map(([, note]) => note)];
}

/** Builds it; sentences about what is in it, and what is not. */
export function build(): string[] {
  if (!canCompile('#include <benchmark/benchmark.h>'))
    throw new MicroError('npm run bench:micro: needs Google Benchmark: apt-get install libbenchmark-dev');
  const jobs = `-j${cpus().length}`;
  const made = spawnSync(
    'make',
    ['-C', path.join(projectRoot, 'bench/micro'), '--no-print-directory', jobs],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (made.status !== 0) throw new MicroError('npm run bench:micro: bench/micro does not compile, see above');
  return peerNotes();
}

/** Google Benchmark puts into a case's name how it was run. */
const caseName = (name: string): string => name.replace(/\/(?:iterations:\d+|repeats:\d+|manual_time)/g, '');

/** Names of the cases that are asked for. */
export function casesOf({ filter, mostFlows }: MicroOptions): string[] {
  const argv = ['--most-flows', String(mostFlows), '--benchmark_list_tests'];
  const wanted = new RegExp(filter);
  return execFileSync(program, argv, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
    .map(caseName)
    .filter((name) => wanted.test(name));
}

const escaped = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/** Arguments that choose the cases, a list for each group that has any. */
export function runsOf(names: readonly string[], { mostFlows }: MicroOptions): string[][] {
  return groups
    .map((group) => names.filter((name) => name.startsWith(`${group}/`)))
    .filter((ofGroup) => ofGroup.length > 0)
    .map((ofGroup) => [
      '--most-flows',
      String(mostFlows),
      `--benchmark_filter=^(${ofGroup.map(escaped).join('|')})(/iterations:|/repeats:|/manual_time|$)`,
    ]);
}

interface GoogleBenchmark {
  readonly name: string;
  readonly items_per_second?: number;
  readonly [counter: string]: unknown;
}

/** Counters the cases add of their own. */
const isOwnCounter = (name: string): boolean => /^(slice|control|long)|_bytes_per_flow$/.test(name);

/** Samples of what the program printed as JSON. */
export function samplesOf(json: string, round: number): MicroSample[] {
  const { benchmarks } = JSON.parse(json) as { readonly benchmarks: readonly GoogleBenchmark[] };
  return benchmarks.flatMap((one) => {
    const name = caseName(one.name);
    const rate = one.items_per_second;
    const own = Object.entries(one).flatMap(([figure, value]) =>
      typeof value === 'number' && isOwnCounter(figure) ? [{ round, name, figure, value }] : [],
    );
    return rate === undefined ? own : [{ round, name, figure: 'ns', value: 1e9 / rate }, ...own];
  });
}

export function time(argv: readonly string[], { cpu, seconds }: MicroOptions, round: number): MicroSample[] {
  const more = [`--benchmark_min_time=${seconds}`, '--benchmark_format=json'];
  const ran = spawnSync('taskset', ['-c', String(cpu), program, ...argv, ...more], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (ran.status !== 0) throw new MicroError(`bench/micro: ${ran.stderr.trim()}`);
  return samplesOf(ran.stdout, round);
}
