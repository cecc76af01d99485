// SPDX-License-Identifier: Apache-2.0
/** Files of results: JSON in which every sample has a line of its own, for a diff or a person to read, and never written over. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What is a list of objects comes last, a line for each of them; all else is a line. */
export function resultsText(results: object): string {
  const entries = Object.entries(results) as [string, unknown][];
  const fields = entries
    .filter(([, value]) => !isListOfObjects(value))
    .map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  const lists = entries.flatMap(([name, value]) =>
    isListOfObjects(value) ? [`  ${JSON.stringify(name)}: [\n${linesOf(value)}\n  ]`] : [],
  );
  return `{\n${[...fields, ...lists].join(',\n')}\n}\n`;
}

const isListOfObjects = (value: unknown): value is readonly object[] =>
  Array.isArray(value) && value.some((item) => typeof item === 'object');

const linesOf = (values: readonly object[]): string =>
  values.map((value) => `    ${JSON.stringify(value)}`).join(',\n');

/** <folder>/<name>.json; where there is one already, with a number behind its name. Gives the path. */
export function writeNew(folder: string, name: string, results: object): string {
  mkdirSync(folder, { recursive: true });
  const base = path.join(folder, name);
  let file = `${base}.json`;
  for (let n = 2; existsSync(file); n++) file = `${base}-${n}.json`;
  writeFileSync(file, resultsText(results), { flag: 'wx' });
  return file;
}

/** What says of which tool a file is; undefined: of the benchmark itself. */
export const kindOf = (file: string): unknown =>
  (JSON.parse(readFileSync(file, 'utf8')) as { readonly kind?: unknown }).kind;
