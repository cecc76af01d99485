// SPDX-License-Identifier: Apache-2.0
/** Configurations as people have them, and what becomes of each: test/fixtures/convert. `vitest -u` writes the latter anew. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { convert, formatNote, type SourceFile } from '../../../src/convert/index.js';
import { noNames } from './names.js';

const folder = join(import.meta.dirname, '../../fixtures/convert');
const files = readdirSync(folder).filter((name) => /\.(conf|rules)$/.test(name));

const include = (pattern: string): readonly SourceFile[] =>
  pattern === 'conf.d/*.conf' ? [source('conf.d/extra.conf')] : [];

const source = (name: string): SourceFile => ({ file: name, text: readFileSync(join(folder, name), 'utf8') });

describe('what LVS users have', () => {
  test('is here in more than ten kinds', () => {
    expect(files.length).toBeGreaterThanOrEqual(12);
  });

  test.each(files)('%s becomes a configuration that vsnat takes', async (name) => {
    const result = await convert(source(name), { configId: 'edge-a', include, names: noNames });
    expect(result.problems).toEqual([]);
    await expect(result.yaml).toMatchFileSnapshot(join(folder, `${name}.yaml`));
    await expect(`${result.notes.map(formatNote).join('\n')}\n`).toMatchFileSnapshot(
      join(folder, `${name}.notes`),
    );
  });
});
