// SPDX-License-Identifier: Apache-2.0
/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly limitMs: number;
  /** Parts of names; empty: all. */
  readonly contenders: readonly string[];
  readonly loads: readonly string[];
  /** Which loads when none is named. */
  readonly extent: 'all' | 'main';
  /** A commit to compare this checkout with instead of others; `auto` finds one. */
  readonly against: string | null;
}

/** What was asked for cannot be done; the message says why. */
export class BenchUsageError extends Error {}

const options = {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  limit: { type: 'string' },
  only: { type: 'string', multiple: true, default: [] as string[] },
  against: { type: 'string' },
  load: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export interface Names {
  readonly contenders: readonly string[];
  readonly loads: readonly string[];
}

export const benchHelp = ({ contenders, loads }: Names): string =>
  [
    'npm run bench -- [OPTION]...',
    '',
    '  --quick          the main loads only, 2 rounds of half a second, within 2.5 minutes',
    '  --rounds N       rounds, each of which runs every contender once (6)',
    '  --seconds S      seconds of each load (0.8)',
    '  --limit MINUTES  start no round that would end later (24)',
    '  --only NAME      only contenders whose name contains NAME; may be given again',
    '  --load NAME      only loads whose name contains NAME; may be given again',
    '  --against REF    build REF and compare this checkout with it, and nobody else; REF may be',
    '                   auto: where the branch began, or the commit of the last published run',
    '  -h, --help       print this',
    '',
    `contenders: ${contenders.join('; ')}`,
    `loads:      ${loads.join('; ')}`,
    '',
    'bench/README.md says what is measured, and how.',
  ].join('\n');

/** 'help' when that is asked for. Throws BenchUsageError. */
export function benchOptions(argv: readonly string[], names: Names): BenchOptions | 'help' {
  const values = parse(argv);
  if (values.help) return 'help';
  for (const part of values.only) mustBeAPart('--only', part, names.contenders);
  for (const part of values.load) mustBeAPart('--load', part, names.loads);
  const isQuick = values.quick;
  return {
    rounds: positive('--rounds', values.rounds, isQuick ? 2 : 6, Number.isInteger),
    seconds: positive('--seconds', values.seconds, isQuick ? 0.5 : 0.8, Number.isFinite),
    limitMs: positive('--limit', values.limit, isQuick ? 2.5 : 24, Number.isFinite) * 60_000,
    contenders: values.only,
    loads: values.load,
    extent: isQuick ? 'main' : 'all',
    against: values.against ?? null,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    const message = error instanceof Error ? error.message.replace(/\.? To specify .*/s, '') : String(error);
    throw new BenchUsageError(`npm run bench: ${message}; see npm run bench -- --help`, { cause: error });
  }
}

function positive(
  name: string,
  text: string | undefined,
  otherwise: number,
  isFit: (value: number) => boolean,
): number {
  const value = Number(text ?? otherwise);
  if (isFit(value) && value > 0) return value;
  throw new BenchUsageError(`npm run bench: ${name}: must be a number above 0, got "${text ?? ''}"`);
}

function mustBeAPart(name: string, part: string, of: readonly string[]): void {
  if (of.some((one) => one.includes(part))) return;
  throw new BenchUsageError(
    `npm run bench: ${name}: must be a part of a name, got "${part}"; there are ${of.join('; ')}`,
  );
}
