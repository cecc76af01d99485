// SPDX-License-Identifier: Apache-2.0
/** contrib/man is what today's commands and schema say, and man(1) finds nothing wrong with it. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { manPages } from '../../src/cli/man-pages.js';
import { commands } from '../../src/cli/commands/index.js';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'contrib/man');
const pages = manPages();

const hasMan = spawnSync('man', ['--version']).status === 0 && spawnSync('groff', ['--version']).status === 0;
if (!hasMan) console.error('SKIPPED: rendering of the man pages: needs man and groff');

describe('the man pages', () => {
  it('are those of the commands and the schema: npm run build:ts writes them', () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(pages).sort());
    for (const [name, text] of Object.entries(pages))
      expect(readFileSync(join(folder, name), 'utf8'), name).toBe(text);
  });

  it('are in the package', () => {
    const { files, man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      files: string[];
      man: string[];
    };
    expect(files).toContain('contrib/man');
    expect(man).toEqual(Object.keys(pages).map((name) => `contrib/man/${name}`));
  });

  it('have a section for every command but the one for completion scripts', () => {
    expect([...(pages['vsnat.8'] ?? '').matchAll(/^\.SS /gm)]).toHaveLength(commands.length - 1);
  });

  it('say what an option is when it is left out, as people write it', () => {
    const page = pages['vsnat.8'] ?? '';
    for (const words of ['between two looks; default: 1s', 'at most this many; default: 1000'])
      expect(page).toContain(words);
    expect(page).not.toMatch(/default: (?:\[object|\d{6})/);
  });

  it('hold nothing that a terminal without UTF-8 could not show', () => {
    for (const text of Object.values(pages)) expect(text).toMatch(/^[\n\u0020-\u007e]*$/);
  });

  it.skipIf(!hasMan).each(Object.keys(pages))('%s renders without warnings', (name) => {
    const { status, stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tascii', join(folder, name)], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.split('\n').length).toBeGreaterThan(100);
    const man = spawnSync('man', ['--warnings', '-l', join(folder, name)], {
      encoding: 'utf8',
      env: { ...process.env, MANPAGER: 'cat', LC_ALL: 'C' },
    });
    expect([man.status, man.stderr]).toEqual([0, '']);
  });
});
