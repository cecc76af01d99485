// SPDX-License-Identifier: Apache-2.0
/**
 * A command that asks a running daemon loads little: scripts call `ipvsadm` hundreds of times. What it loads is what is
 * imported for its values, from file to file; `import type` and `await import` do not count.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { expect, it } from 'vitest';

const source = path.join(import.meta.dirname, '../../src');

/** From whom a statement of an `import` or `export ... from` takes values. */
const statement = /^(?:import|export)\s(?!type\b)(?:[^;]*?\sfrom\s)?'([^']+)';/gm;

/** Every file below src and every package that comes with these files. */
function loadedWith(files: readonly string[]): ReadonlySet<string> {
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const [, from = ''] of readFileSync(path.join(source, file), 'utf8').matchAll(statement)) {
      if (from.startsWith('.')) load(path.join(path.dirname(file), from.replace(/\.js$/, '.ts')));
      else if (!from.startsWith('node:')) loaded.add(from);
    }
  };
  files.forEach(load);
  return loaded;
}

it('`vsnat ipvsadm` loads no package, and nothing that only the daemon needs', () => {
  const loaded = [...loadedWith(['cli/main.ts', 'cli/ipvsadm-command.ts'])];
  expect(loaded.filter((name) => !name.endsWith('.ts'))).toEqual([]);
  expect(loaded).toContain('admin/client.ts'); // the search works
  expect(
    loaded.filter((name) => /^(?:config|dataplane|host|lab|metrics)\/|^cli\/program/.test(name)),
  ).toEqual([]);
});

it('every other command begins with commander, and what it needs besides it loads itself', () => {
  const loaded = [...loadedWith(['cli/program.ts'])];
  expect(loaded.filter((name) => !name.endsWith('.ts'))).toEqual(['commander']);
  expect(loaded.filter((name) => /^(?:dataplane|host|lab|metrics|scheduler)\//.test(name))).toEqual([]);
  expect(loaded.filter((name) => name.startsWith('config/'))).toEqual(['config/units.ts']);
});

it('the daemon loads all of it', () => {
  const loaded = loadedWith(['cli/run.ts', 'cli/machine.ts']);
  for (const name of ['yaml', 'pino', 'prom-client', 'config/index.ts', 'host/index.ts'])
    expect(loaded).toContain(name);
});
