// SPDX-License-Identifier: Apache-2.0
/** The command line of `npm run bench:micro`. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { BenchUsageError } from '../options.js';

export interface MicroOptions {
  /** A regular expression of case names; empty: all. */
  readonly filter: string;
  readonly rounds: number;
  /** Of each case in each round. */
  readonly seconds: number;
  readonly mostFlows: number;
  readonly cpu: number;
  readonly what: 'time' | 'counts' | 'list';
}

const options = {
  filter: { type: 'string', default: '' },
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  'most-flows': { type: 'string' },
  cpu: { type: 'string' },
  valgrind: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const microHelp = [
  'npm run bench:micro -- [OPTION]...',
  '',
  '  --filter REGEX   only cases whose name has a match: table/hit, ^step/data/ipv4, /10M$',
  '  --quick          a round of a hundredth of a second each, up to 1,000,000 flows: within two minutes',
  '  --rounds N       how often everything is measured; medians are shown (5)',
  '  --seconds S      of each case in each round (0.1)',
  '  --most-flows N   leave out tables of more flows (10000000)',
  '  --cpu N          the processor to stay on (the last)',
  '  --valgrind       count instructions and cache misses instead of taking time; needs valgrind',
  '  --list           print the names of the cases',
  '  -h, --help       print this',
  '',
  'bench/README.md says what is measured, and how.',
].join('\n');

/** 'help' when that is asked for. Throws BenchUsageError. */
export function microOptions(argv: readonly string[]): MicroOptions | 'help' {
  const values = parse(argv);
  if (values.help) return 'help';
  try {
    new RegExp(values.filter);
  } catch (error) {
    throw usageError(`--filter: must be a regular expression, got "${values.filter}"`, error);
  }
  const isQuick = values.quick;
  return {
    filter: values.filter,
    rounds: number('--rounds', values.rounds, isQuick ? 1 : 5, 1),
    seconds: number('--seconds', values.seconds, isQuick ? 0.01 : 0.1, 0.001),
    mostFlows: number('--most-flows', values['most-flows'], isQuick ? 1_000_000 : 10_000_000, 1000),
    cpu: number('--cpu', values.cpu, cpus().length - 1, 0),
    what: values.list ? 'list' : values.valgrind ? 'counts' : 'time',
  };
}

const usageError = (message: string, cause?: unknown): BenchUsageError =>
  new BenchUsageError(`npm run bench:micro: ${message}`, { cause });

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    const message = error instanceof Error ? error.message.replace(/\.? To specify .*/s, '') : String(error);
    throw usageError(`${message}; see npm run bench:micro -- --help`, error);
  }
}

function number(name: string, text: string | undefined, otherwise: number, least: number): number {
  const value = Number(text ?? otherwise);
  const isWhole = name === '--seconds' || Number.isInteger(value);
  if (Number.isFinite(value) && isWhole && value >= least) return value;
  throw usageError(`${name}: must be a number from ${least} on, got "${text ?? ''}"`);
}
