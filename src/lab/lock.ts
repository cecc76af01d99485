// SPDX-License-Identifier: Apache-2.0
/**
 * One demo at a time: the namespaces have fixed names. The folder of the running demo holds its pid together with the
 * time that process started, because a pid alone may belong to somebody else after a crash.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VsnatError } from '../errors.js';
import { marksFile } from './marks.js';

export const demoFolder = '/run/vsnat-demo';
const pidFile = join(demoFolder, 'pid');

/** Field 22 of /proc/PID/stat, in clock ticks since boot; null when there is no such process, or only its zombie. */
async function startTime(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The command name is in parentheses and may hold anything, spaces and parentheses included.
  const [state = 'X', ...rest] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === 'Z' || state === 'X' ? null : (rest[18] ?? null);
}

/** True when an earlier demo died without tidying up. Throws when one is alive. */
export async function takeLock(): Promise<{ readonly hadLeftovers: boolean }> {
  const text = await readFile(pidFile, 'utf8').catch(() => null);
  const [pid = '', started = ''] = (text ?? '').trim().split(' ');
  if (started !== '' && (await startTime(Number(pid))) === started)
    throw new VsnatError(
      'VSNAT_LAB',
      `demo: one is running already, as process ${pid}; end it first (Ctrl-C there, or kill ${pid})`,
    );
  await mkdir(demoFolder, { mode: 0o755, recursive: true });
  for (const name of await readdir(demoFolder))
    if (name !== marksFile) await rm(join(demoFolder, name), { recursive: true });
  await writeFile(pidFile, `${process.pid} ${(await startTime(process.pid)) ?? ''}\n`);
  return { hadLeftovers: text !== null };
}

export const releaseLock = (): Promise<void> => rm(demoFolder, { recursive: true, force: true });
