// SPDX-License-Identifier: Apache-2.0
/** How a command that threw ends: with a sentence for people and an exit code for scripts. */
import { exitCodeFor, VsnatError } from '../errors.js';
import { printable, type Io } from './io.js';

/** Says it, and gives the exit code. */
export function endedBy(error: unknown, io: Io): number {
  complainOf(error, io);
  return exitCodeFor(error);
}

/** The mistakes of a configuration stand alone, so that editors and people can jump to file:line:column. */
function complainOf(error: unknown, io: Io): void {
  if (error instanceof VsnatError && error.code === 'VSNAT_CONFIG_INVALID') io.complain(error.message);
  else if (error instanceof VsnatError) io.complain(`vsnat: ${error.message}`);
  else
    io.complain(
      `vsnat: unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : printable(String(error))}`,
    );
}
