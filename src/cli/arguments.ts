// SPDX-License-Identifier: Apache-2.0
/** Words of the command line that must be something: a wrong one is a usage error that names the option. */
import { InvalidArgumentError } from 'commander';

export function positiveNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number above 0.');
  return Number(text);
}
