// SPDX-License-Identifier: Apache-2.0
/** Words of the command line that must be something: a wrong one is a usage error that names the option. */
import { InvalidArgumentError } from 'commander';

import { parseDuration } from '../config/units.js';

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

export function oneOf<const Words extends readonly string[]>(words: Words): (text: string) => Words[number] {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new InvalidArgumentError(`must be one of ${words.join(', ')}.`);
    return found;
  };
}
