// SPDX-License-Identifier: Apache-2.0
/** The microbenchmarks do what they say, tiny: every case measures something, and valgrind counts it. No figure is judged. */
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect } from 'vitest';
import { count } from '../../bench/microbench/counts.js';
import { microOptions, type MicroOptions } from '../../bench/microbench/options.js';
import { build, casesOf, runsOf, time } from '../../bench/microbench/program.js';
import { testWhere, testWith } from '../support/programs.js';

const options = (...argv: string[]): MicroOptions => {
  const parsed = microOptions(['--most-flows', '1000', '--seconds', '0.001', ...argv]);
  if (parsed === 'help') throw new Error('not asked for');
  return parsed;
};

const hasGoogleBenchmark = existsSync('/usr/include/benchmark/benchmark.h');
const test = testWhere(hasGoogleBenchmark, 'Google Benchmark (apt-get install libbenchmark-dev)');
const testValgrind = hasGoogleBenchmark ? testWith('valgrind') : test;

describe('the microbenchmarks', () => {
  beforeAll(() => {
    if (hasGoogleBenchmark) build();
  }, 600_000);

  test('measure every case, with a thousand flows', { timeout: 300_000 }, () => {
    const asked = options();
    const names = casesOf(asked);
    expect(names.length).toBeGreaterThan(100);
    const samples = runsOf(names, asked).flatMap((argv) => time(argv, asked, 1));
    for (const name of names) {
      const own = samples.filter((one) => one.name === name);
      expect(own.length, name).toBeGreaterThan(0);
      for (const { figure, value } of own) {
        // How often something took long: never is the best there is.
        if (figure.startsWith('long_')) expect(value, name).toBeGreaterThanOrEqual(0);
        else expect(value, `${name} ${figure}`).toBeGreaterThan(0);
      }
    }
  });

  testValgrind('count instructions of the measured operations alone', { timeout: 300_000 }, () => {
    const asked = options('--valgrind', '--filter', '^(wire/parse/ipv4-tcp|step/data/ipv4/uniform/1k)$');
    const instructions = runsOf(casesOf(asked), asked)
      .flatMap(count)
      .filter(({ figure }) => figure === 'instructions');
    expect(instructions.map(({ name }) => name)).toEqual([
      'wire/parse/ipv4-tcp',
      'step/data/ipv4/uniform/1k',
    ]);
    const [parse = 0, step = 0] = instructions.map(({ value }) => value);
    // A packet is parsed in each step, among other things; opening the flows beforehand would be thousands more.
    expect(parse).toBeGreaterThan(50);
    expect(step).toBeGreaterThan(parse);
    expect(step).toBeLessThan(10_000);
  });
});
