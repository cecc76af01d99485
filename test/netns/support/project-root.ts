// SPDX-License-Identifier: Apache-2.0
/** Found by its package.json: these files also run compiled, from another folder (bench/README.md). */
import { existsSync } from 'node:fs';
import path from 'node:path';

function upwards(directory: string): string {
  if (existsSync(path.join(directory, 'package.json'))) return directory;
  const parent = path.dirname(directory);
  if (parent === directory) throw new Error(`no package.json above ${import.meta.dirname}`);
  return upwards(parent);
}

export const projectRoot = upwards(import.meta.dirname);
