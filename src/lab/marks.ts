// SPDX-License-Identifier: Apache-2.0
/**
 * Which namespaces are the demo's to remove. Their names are fixed, and somebody else may have had the same idea; so
 * what is about to be made is written down first, and only what is written down is ever removed. The file outlives
 * a demo that was killed, and not the machine: it is in /run, like the namespaces.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VsnatError } from '../errors.js';

export const marksFile = 'namespaces';

export async function readMarks(folder: string): Promise<readonly string[]> {
  const text = await readFile(join(folder, marksFile), 'utf8').catch(() => '');
  return text.split('\n').filter((name) => name !== '');
}

export const writeMarks = (folder: string, names: readonly string[]): Promise<void> =>
  writeFile(join(folder, marksFile), `${names.join('\n')}\n`);

/** Throws when one of the names is taken. Call it once the marked ones are gone: what is left is not ours. */
export function assertNamesFree(wanted: readonly string[], existing: readonly string[]): void {
  const taken = wanted.filter((name) => existing.includes(name));
  if (taken.length === 0) return;
  throw new VsnatError(
    'VSNAT_LAB',
    `demo: its network namespaces must be free to make, got ${taken.join(', ')} made by somebody else; if nobody needs ` +
      `${taken.length === 1 ? 'it' : 'them'}, run: ${taken.map((name) => `ip netns delete ${name}`).join(' && ')}`,
  );
}
