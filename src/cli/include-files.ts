// SPDX-License-Identifier: Apache-2.0
/** The files that an include of keepalived.conf stands for: as glob(3) with GLOB_BRACE, `conf.d/{web,mail}-[0-9]*.conf`. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** Paths as glob(3) sorts them; none where nothing has such a name. */
export function includeFiles(pattern: string, folder: string): readonly string[] {
  const found = alternatives(pattern).flatMap((one) => {
    const parts = one.split('/').filter((part) => part !== '');
    return parts.reduce<readonly string[]>(
      (paths, part) => paths.flatMap((path) => namesIn(path, part).map((name) => join(path, name))),
      [isAbsolute(one) ? '/' : folder],
    );
  });
  return found.filter((path) => !statSync(path).isDirectory());
}

/** Of `a{b,c{d,}}`: ab, acd, ac. A brace that never closes is one like any other character. */
function alternatives(pattern: string): readonly string[] {
  const open = pattern.indexOf('{');
  const parts: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let index = open; open >= 0 && index < pattern.length; index++) {
    const character = pattern[index];
    if (character === '{') depth++;
    else if (character === '}') depth--;
    if ((character === ',' && depth === 1) || depth === 0) {
      parts.push(pattern.slice(start, index));
      start = index + 1;
    }
    if (depth > 0) continue;
    const [head, tail] = [pattern.slice(0, open), pattern.slice(index + 1)];
    return parts.flatMap((part) => alternatives(`${head}${part}${tail}`));
  }
  return [pattern];
}

function namesIn(folder: string, part: string): readonly string[] {
  if (!/[*?[]/.test(part)) return existsSync(join(folder, part)) ? [part] : [];
  try {
    const expression = new RegExp(`^${part.replaceAll(/\[[!^]?\]?[^\]]*\]|[^\w]/g, translated)}$`);
    return readdirSync(folder)
      .filter((name) => name.startsWith('.') === part.startsWith('.') && expression.test(name))
      .sort();
  } catch {
    return []; // no folder, none that may be read, or [z-a]
  }
}

function translated(piece: string): string {
  if (piece === '*') return '.*';
  if (piece === '?') return '.';
  if (piece.length === 1) return `\\${piece}`;
  return piece.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
}
