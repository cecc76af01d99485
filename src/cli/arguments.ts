// SPDX-License-Identifier: Apache-2.0
/** Words of the command line that must be something: a wrong one is a usage error that names the option. */
import { InvalidArgumentError } from 'commander';

import { formatDuration, parseDuration } from '../config/units.js';

export function positiveNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number above 0.');
  return Number(text);
}

/** Whole milliseconds. */
export function duration(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new InvalidArgumentError(`must ${parsed.must}; ${parsed.hint ?? ''}`.trimEnd());
  return parsed.value;
}

/** Longer than this a timer of Node does not wait: it goes off at once. */
const longestWait = 24 * 86_400_000;

/** How long to wait; between two looks, no time at all would be an endless stream of requests. */
export function wait(text: string): number {
  const ms = duration(text);
  if (ms >= 10 && ms <= longestWait) return ms;
  throw new InvalidArgumentError(`must be 10ms..${formatDuration(longestWait)}.`);
}

/** One of some words, which completion offers. */
export interface WordParser<Word extends string> {
  (text: string): Word;
  readonly words: readonly Word[];
}

export function oneOf<const Words extends readonly string[]>(words: Words): WordParser<Words[number]> {
  const parse = (text: string): Words[number] => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new InvalidArgumentError(`must be one of ${words.join(', ')}.`);
    return found;
  };
  return Object.assign(parse, { words });
}
