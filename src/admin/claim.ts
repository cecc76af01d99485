// SPDX-License-Identifier: Apache-2.0
/**
 * The right to a socket path, held for the life of a process. Looking whether a socket file is stale and putting
 * another in its place are two steps; of two daemons started at once both could see the same stale file and both
 * take it. So whoever wants a path first binds an abstract socket (unix(7)) named after it, which the kernel gives to
 * one process only, and takes back however that process ends.
 *
 * Abstract names belong to a network namespace. Daemons in different namespaces that share a path are still kept apart
 * by the question whether anybody answers on it, only not in the same millisecond.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, dirname, join } from 'node:path';

export interface Claim {
  release(): Promise<void>;
}

/** null when another process, or another server of this one, has it. The directory of `path` must exist. */
export async function claimPath(path: string): Promise<Claim | null> {
  const server = createServer((peer) => peer.destroy()).unref();
  // Two spellings of a path are one claim; the digest keeps the name short, sun_path holds 108 bytes.
  const real = join(await realpath(dirname(path)), basename(path));
  const listening = once(server, 'listening');
  server.listen(`\0vsnat-${createHash('sha256').update(real).digest('hex')}`);
  try {
    await listening;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return null;
    throw error;
  }
  let released: Promise<void> | undefined;
  return {
    release: () => (released ??= new Promise((resolve) => server.close(() => resolve()))),
  };
}
