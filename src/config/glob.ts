// SPDX-License-Identifier: Apache-2.0
/** Paths with `*`, `?` and `[…]` in them, as a shell expands them: within a folder, dot files only by name, sorted. */
import { readdirSync, statSync } from 'node:fs';

export const isGlob = (pattern: string): boolean => /[*?[]/.test(pattern);

/** Throws what reading a folder throws, except that one that is not there has nothing in it. */
export function expand(pattern: string): readonly string[] {
  const [first = '', ...segments] = pattern
    .split('/')
    .filter((segment, index) => index === 0 || segment !== '');
  const start = first === '' ? ['/'] : step([''], first);
  return segments.reduce(step, start);
}

function step(folders: readonly string[], segment: string): readonly string[] {
  const join = (folder: string, name: string): string =>
    folder === '' || folder === '/' ? `${folder}${name}` : `${folder}/${name}`;
  if (!isGlob(segment)) return folders.map((folder) => join(folder, segment)).filter(exists);
  const form = expressionOf(segment);
  return folders.flatMap((folder) =>
    namesIn(folder === '' ? '.' : folder)
      .filter((name) => form.test(name) && (segment.startsWith('.') || !name.startsWith('.')))
      .sort()
      .map((name) => join(folder, name)),
  );
}

function expressionOf(segment: string): RegExp {
  const source = segment.replace(
    /\*+|\?|\[(!?)((?:[^\]\\])+)\]|[^]/g,
    (part, not: string, inside?: string) => {
      if (part.startsWith('*')) return '[^]*';
      if (part === '?') return '[^]';
      if (inside !== undefined) return `[${not === '' ? '' : '^'}${inside.replace(/[\\^[]/g, '\\$&')}]`;
      return part.replace(/[\\^$.*+?()[\]{}|]/, '\\$&');
    },
  );
  return new RegExp(`^${source}$`);
}

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
