// SPDX-License-Identifier: Apache-2.0
/** Paths with `*`, `?` and `[…]` in them, as a shell expands them: within a folder, dot files only by name, sorted. */
import { readdirSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

export const isGlob = (pattern: string): boolean => /[*?[]/.test(pattern);

/**
 * `folder` is where a pattern begins that does not begin at the root; a `*` in its own name is just that. `list` may say
 * what a folder has that cannot be read; without it that is thrown.
 */
export function expand(pattern: string, folder: string, list = namesIn): readonly string[] {
  const segments = pattern.split('/').filter((segment) => segment !== '');
  const start: readonly string[] = [isAbsolute(pattern) ? '/' : folder];
  return segments.reduce((folders, segment) => step(folders, segment, list), start);
}

function step(folders: readonly string[], segment: string, list: typeof namesIn): readonly string[] {
  if (!isGlob(segment)) return folders.map((folder) => join(folder, segment)).filter(exists);
  const form = expressionOf(segment);
  return folders.flatMap((folder) =>
    list(folder)
      .filter((name) => form.test(name) && (segment.startsWith('.') || !name.startsWith('.')))
      .sort()
      .map((name) => join(folder, name)),
  );
}

function expressionOf(segment: string): RegExp {
  const source = segment.replace(
    /\*+|\?|\[([!^]?)(\][^\]]*|[^\]]+)\]|[^]/g,
    (part, not: string, inside?: string) => {
      if (part.startsWith('*')) return '[^]*';
      if (part === '?') return '[^]';
      if (inside !== undefined) return `[${not === '' ? '' : '^'}${inside.replace(/[\\^[\]]/g, '\\$&')}]`;
      return part.replace(/[\\^$.*+?()[\]{}|]/, '\\$&');
    },
  );
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /[]/; // [z-a]: no character is in that range
  }
}

/** One that is not there has nothing in it. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // below a file, or where this user may not look: reading it would tell
  }
}
