// SPDX-License-Identifier: Apache-2.0
/** The files that an include of keepalived.conf stands for: as glob(3) with GLOB_BRACE, `conf.d/{web,mail}-[0-9]*.conf`. */
import { readdirSync, statSync } from 'node:fs';

import { expand } from '../config/glob.js';

/** Paths as glob(3) sorts them; none where nothing has such a name. */
export function includeFiles(pattern: string, folder: string): readonly string[] {
  return alternatives(pattern)
    .flatMap((one) => expand(one, folder, readableNames))
    .filter((path) => !statSync(path).isDirectory());
}

function readableNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // no folder, or none that may be read
  }
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
