// SPDX-License-Identifier: Apache-2.0
/**
 * Owning a unix socket path. A socket file outlives a daemon that was killed, so it is replaced only by the holder of
 * the claim on its path (claim.ts), and only after a connection attempt has shown that nobody answers; a living owner is
 * named, never pushed out. The file is the daemon's alone from its first moment (the umask is set around listen()), then
 * it is given its group, then its mode, and only then its name: nobody can be let in too early.
 *
 * The server binds a name of its own and the file is then renamed into place: there is no moment without a file, and
 * Node, which removes by name what it has bound when it closes, never removes what somebody else has put there since.
 */
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { chmod, chown, lstat, mkdir, open, rename, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { basename, dirname } from 'node:path';

import { VsnatError } from '../errors.js';
import type { StatusAnswer } from './api.js';
import { claimPath } from './claim.js';
import { getJson } from './client.js';
import { groupId } from './group.js';

/** sun_path holds 108 bytes with its final zero. */
const maxPathBytes = 107;

export interface HeldSocket {
  /** Removes the file, if it is still this server's, and gives up the claim. Idempotent. */
  release(): Promise<void>;
}

export interface SocketPermissions {
  readonly mode: number;
  /** null: the daemon's. */
  readonly group: string | number | null;
}

export const usualPermissions: SocketPermissions = { mode: 0o660, group: null };

export async function listenOnSocket(
  server: Server,
  path: string,
  permissions: SocketPermissions = usualPermissions,
): Promise<HeldSocket> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw refused(
      path,
      `must be at most ${maxPathBytes} bytes long, got ${Buffer.byteLength(path)}; choose a shorter admin.socket`,
    );
  }
  await makeDirectory(dirname(path));
  const claim = await claimPath(path);
  if (claim === null) throw await busy(path);
  try {
    await assertFree(path);
    const file = await bind(server, path, permissions);
    const release = async (): Promise<void> => {
      const now = await lstat(path, { bigint: true }).catch(() => undefined);
      if (now?.ino === file.ino && now.dev === file.dev) await unlink(path);
      await claim.release();
    };
    let released: Promise<void> | undefined;
    return { release: () => (released ??= release()) };
  } catch (error) {
    await claim.release();
    throw error;
  }
}

/** Puts the listening socket at `path`, in place of a stale one, and says which file that is. */
async function bind(
  server: Server,
  path: string,
  { mode, group }: SocketPermissions,
): Promise<{ readonly dev: bigint; readonly ino: bigint }> {
  const gid = group === null ? null : await groupId(group);
  const directory = await open(dirname(path), 'r');
  // By way of the open directory, a name that is longer than the wanted one still fits into sun_path.
  const own = `/proc/self/fd/${directory.fd}/.vsnat-${randomUUID()}`;
  const listening = once(server, 'listening');
  try {
    const before = process.umask(0o177);
    try {
      server.listen(own); // binds before it returns, so the umask needs to hold no longer than this call
    } finally {
      process.umask(before);
    }
    await listening;
    if (gid !== null) await chown(own, -1, gid).catch((cause: unknown) => refuseGroup(group, cause));
    await chmod(own, mode);
    const file = await lstat(own, { bigint: true });
    await rename(own, `/proc/self/fd/${directory.fd}/${basename(path)}`);
    return file;
  } catch (cause) {
    await new Promise((resolve) => server.close(resolve)); // removes `own` if it was made
    if (cause instanceof VsnatError) throw cause;
    throw refused(
      path,
      `must be free to listen on, got ${codeOf(cause)}; choose another admin.socket`,
      cause,
    );
  } finally {
    await directory.close();
  }
}

function refuseGroup(group: string | number | null, cause: unknown): never {
  throw new VsnatError(
    'VSNAT_HOST_REFUSED',
    `admin.group: must be a group that the daemon may give its socket to, got ${codeOf(cause)} for ${String(group)}; ` +
      'run the daemon as root or as a member of it',
    { cause },
  );
}

/** Makes the directory itself, not the way to it: a misspelt path should fail, not grow a tree. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
    await chmod(directory, 0o755); // whatever the umask took away
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return;
    throw refused(
      directory,
      `must be in a directory that exists or can be made, got ${codeOf(cause)}; choose another admin.socket`,
      cause,
    );
  }
}

/** Nothing there, or a socket that nobody answers on: what a killed daemon left. */
async function assertFree(path: string): Promise<void> {
  const file = await lstat(path).catch(() => undefined);
  if (file === undefined) return;
  if (!file.isSocket()) {
    throw refused(
      path,
      'must be a socket or free, got another kind of file; move it or choose another admin.socket',
    );
  }
  if (await somebodyAnswers(path)) throw await busy(path);
}

async function busy(path: string): Promise<VsnatError> {
  const pid = await ownerOf(path);
  return new VsnatError(
    'VSNAT_DEVICE_BUSY',
    `${path}: must be free, got a running daemon${pid === undefined ? '' : ` (pid ${pid})`}; ` +
      `stop it${pid === undefined ? '' : ` (kill ${pid})`}, or give this one its own admin.socket and tun.name`,
  );
}

function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // A listener whose queue is full (EAGAIN) or that keeps us out (EACCES) is alive all the same.
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else if (error.code === 'EAGAIN' || error.code === 'EACCES') resolve(true);
      else reject(refused(path, `must be free, got ${codeOf(error)}; choose another admin.socket`, error));
    });
  });
}

async function ownerOf(path: string): Promise<number | undefined> {
  try {
    const { body } = await getJson(path, '/v1/status', 1_000);
    return (body as StatusAnswer).pid;
  } catch {
    return undefined; // it holds the socket, whoever it is; the refusal does not depend on its name
  }
}

function refused(where: string, problem: string, cause?: unknown): VsnatError {
  return new VsnatError('VSNAT_HOST_REFUSED', `admin socket ${where}: ${problem}`, { cause });
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
