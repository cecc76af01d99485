// SPDX-License-Identifier: Apache-2.0
// Writes what is made from src/config/schema.ts: vsnat.schema.json for editors, and the table of keys in
// docs/configuration.md. Runs after tsc; a unit test fails when either is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { withReference } from '../dist/config/reference.js';
import { schemaText } from '../dist/config/schema.js';

/** Untouched when nothing changed, so that builds do not dirty the tree. */
function update(path, text) {
  const url = new URL(`../${path}`, import.meta.url);
  let before = '';
  try {
    before = readFileSync(url, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (before === text) return;
  writeFileSync(url, text);
  console.log(`wrote ${path}`);
}

update('vsnat.schema.json', schemaText());
const page = 'docs/configuration.md';
update(page, withReference(readFileSync(new URL(`../${page}`, import.meta.url), 'utf8')));
