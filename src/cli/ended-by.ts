// SPDX-License-Identifier: Apache-2.0
/** How a command that threw ends: with a sentence for people and an exit code for scripts. */
import { getJson } from '../admin/client.js';
import type { Peer } from '../admin/peer.js';
import { exitCodeFor, VsnatError } from '../errors.js';
import { printable, type Io } from './io.js';
import { version } from './version.js';

/** Says it, and gives the exit code. `asked`: the daemon that was asked on the way. */
export async function endedBy(thrown: unknown, io: Io, asked: string | Peer | null = null): Promise<number> {
  const isItsFault = !(thrown instanceof VsnatError) || thrown.code === 'VSNAT_DAEMON';
  const error = asked !== null && isItsFault ? await blameVersion(thrown, asked) : thrown;
  complainOf(error, io);
  return exitCodeFor(error);
}

/** Long enough for a daemon that lives, which it did a moment ago. */
const patienceMs = 2_000;

/**
 * What was installed anew and not yet restarted answers without fields that are new, or knows no route that is: that is no bug of
 * this program, and a stack trace would mend nothing.
 */
async function blameVersion(thrown: unknown, asked: string | Peer): Promise<unknown> {
  const status = await getJson(asked, '/v1/status', patienceMs).then(
    ({ body }) => body as { readonly version?: unknown } | null,
    () => undefined,
  );
  if (status === undefined) return thrown;
  const name = typeof asked === 'string' ? asked : asked.name;
  if (typeof status?.version !== 'string')
    return new VsnatError(
      'VSNAT_UNREACHABLE',
      `${name}: must be the socket of a running daemon, got answers of another program`,
      { cause: thrown },
    );
  if (status.version === version) return thrown;
  return new VsnatError(
    'VSNAT_DAEMON',
    `${name}: must be a daemon of version ${version} as this command is, got ${status.version}; restart the daemon, or run the command of its version`,
    { cause: thrown },
  );
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
