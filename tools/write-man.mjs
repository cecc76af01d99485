// SPDX-License-Identifier: Apache-2.0
// Writes contrib/man/: vsnat.8 from the commands, vsnat.yaml.5 from the schema. Runs after tsc; a test fails when they are
// out of date.
import { mkdirSync, writeFileSync } from 'node:fs';
import { manPages } from '../dist/cli/man-pages.js';

const folder = new URL('../contrib/man/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(manPages())) writeFileSync(new URL(name, folder), text);
