// SPDX-License-Identifier: Apache-2.0
/**
 * Instructions and cache misses per operation, counted by valgrind's callgrind with its simulator of caches: exact, the same
 * on a machine with other work, and to be had where there are no hardware counters. The caches are always of one size, so
 * that figures of two machines can be compared.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MicroError, program } from './program.js';
import type { MicroSample } from './results.js';

/** Bytes, ways, bytes of a line. */
const caches = { I1: '32768,8,64', D1: '32768,8,64', LL: '8388608,16,64' } as const;

const iterations = 200;

/** Of the first level and of the last, what missed it: fetched instructions, reads, writes. */
const sums = {
  instructions: ['Ir'],
  data: ['Dr', 'Dw'],
  'L1 misses': ['I1mr', 'D1mr', 'D1mw'],
  'LL misses': ['ILmr', 'DLmr', 'DLmw'],
} as const;

/** A dump of callgrind under a case's name, or null of something else's. */
export function countsOf(dump: string): MicroSample[] | null {
  const [, name, operations] = /^desc: Trigger: Client Request: (\S+) (\d+)$/m.exec(dump) ?? [];
  const [, events] = /^events: (.+)$/m.exec(dump) ?? [];
  const [, totals] = /^totals: (.+)$/m.exec(dump) ?? [];
  if (name === undefined || events === undefined || totals === undefined) return null;
  const values = totals.split(' ').map(Number);
  // Zeros at the end are not written.
  const of = (event: string): number => values[events.split(' ').indexOf(event)] ?? 0;
  return Object.entries(sums).map(([figure, parts]) => {
    const sum = parts.reduce((total, part) => total + of(part), 0);
    return { round: 1, name, figure, value: sum / Number(operations) };
  });
}

/** The last of a case's dumps: by then the simulated caches are warm. */
function lastOfEach(dumps: readonly string[]): MicroSample[] {
  const byName = new Map<string, MicroSample[]>();
  for (const dump of dumps) {
    const samples = countsOf(dump);
    const name = samples?.[0]?.name;
    if (samples !== null && name !== undefined) byName.set(name, samples);
  }
  return [...byName.values()].flat();
}

export function count(argv: readonly string[]): MicroSample[] {
  if (spawnSync('valgrind', ['--version']).status !== 0)
    throw new MicroError('npm run bench:micro -- --valgrind: needs valgrind: apt-get install valgrind');
  const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-counts-'));
  const tool = ['--tool=callgrind', '--cache-sim=yes', '--instr-atstart=no', '--collect-atstart=no'];
  const simulated = Object.entries(caches).map(([level, size]) => `--${level}=${size}`);
  const twice = ['--iterations', String(iterations), '--benchmark_repetitions=2'];
  try {
    const out = `--callgrind-out-file=${path.join(folder, 'dump')}`;
    const ran = spawnSync('valgrind', [...tool, ...simulated, out, program, ...twice, ...argv], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (ran.status !== 0) throw new MicroError(`bench/micro, in valgrind: ${ran.stderr.trim()}`);
    const numbered = readdirSync(folder)
      .flatMap((name) => /^dump\.(\d+)$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    return lastOfEach(numbered.map((n) => readFileSync(path.join(folder, `dump.${n}`), 'utf8')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
