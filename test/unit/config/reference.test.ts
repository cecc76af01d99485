// SPDX-License-Identifier: Apache-2.0
/** What is generated from the schema is in the repository as of today's schema; the docs name the same keys. */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../../src/config/index.js';
import { referenceRows, withReference } from '../../../src/config/reference.js';
import { schemaText } from '../../../src/config/schema.js';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const page = read('docs/configuration.md');

test("vsnat.schema.json is today's schema (else run: npm run build:ts)", () => {
  expect(read('vsnat.schema.json')).toBe(schemaText());
});

test("the table in docs/configuration.md is today's (else run: npm run build:ts)", () => {
  expect(page).toBe(withReference(page));
});

test('every key has a default or is required, and says what it means and accepts', () => {
  const rows = referenceRows();
  expect(rows.length).toBeGreaterThan(30);
  for (const { key, accepts, fallback, meaning } of rows) {
    expect([key, meaning.length > 10, accepts !== '']).toEqual([key, true, true]);
    if (accepts !== 'a map') expect([key, fallback]).not.toEqual([key, '']);
  }
});

test('the defaults in the table are those of the model', () => {
  const service = 'services: [{ name: a, listen: tcp://10.9.0.1:80, servers: [{ address: 10.2.1.2:80 }] }]';
  const written = referenceRows()
    .filter(({ key, fallback }) => fallback.startsWith('`') && !key.startsWith('services[]'))
    .map(({ key, fallback }) =>
      key.includes('.')
        ? `${key.replace('.', ': { ')}: ${fallback.slice(1, -1)} }`
        : `${key}: ${fallback.slice(1, -1)}`,
    );
  const merged = new Map<string, string[]>();
  for (const line of written.filter((one) => one.includes('{'))) {
    const [, top = '', rest = ''] = /^(\w+): \{ (.*) \}$/.exec(line) ?? [];
    merged.set(top, [...(merged.get(top) ?? []), rest]);
  }
  const tops = [...merged].map(([top, keys]) => `${top}: { ${keys.join(', ')} }`);
  const lists = written.filter((one) => !one.includes('{'));
  expect(lists).toEqual(['include: []', 'marks: []', 'health: off']);
  expect(parseConfig([service, ...lists, ...tops].join('\n')).model).toEqual(parseConfig(service).model);
});

test('the example in docs/configuration.md is valid, for vsnat and for an editor with the schema', () => {
  const example = /```yaml\n([^]*?)```/.exec(page)?.[1] ?? '';
  expect(parseConfig(example).model.services.map(({ name }) => name)).toEqual(['web', 'dns', 'web6']);
  const editor = new Ajv2020({ strict: false });
  const valid = editor.compile(JSON.parse(schemaText()) as object);
  expect(valid(parse(example))).toBe(true);
  expect(valid({ services: [{ name: 'a' }] })).toBe(false);
});
