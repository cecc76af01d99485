// SPDX-License-Identifier: Apache-2.0
/** What a run of the microbenchmarks found, and where: a file that is never rewritten. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Provenance } from '../provenance.js';

export interface MicroSample {
  readonly round: number;
  /** group/what/.../of how many */
  readonly name: string;
  /** `ns` per operation, or what the case or valgrind counts. */
  readonly figure: string;
  readonly value: number;
}

export interface MicroResults extends Provenance {
  readonly kind: 'micro';
  readonly what: 'time' | 'counts';
  readonly rounds: number;
  readonly tookSeconds: number;
  /** Sentences: what was not measured, and why. */
  readonly notes: readonly string[];
  readonly samples: readonly MicroSample[];
}

/** One line a sample. */
export function microText({ samples, ...head }: MicroResults): string {
  const fields = Object.entries(head).map(
    ([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  const lines = samples.map((sample) => `    ${JSON.stringify(sample)}`);
  return `{\n${fields.join(',\n')},\n  "samples": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** <folder>/<date>-<commit>-<what>.json; a second run of the day gets a number, nothing is overwritten. */
export function writeMicroResults(folder: string, results: MicroResults): string {
  mkdirSync(folder, { recursive: true });
  const base = path.join(folder, `${results.date.slice(0, 10)}-${results.commit}-${results.what}`);
  let file = `${base}.json`;
  for (let n = 2; existsSync(file); n++) file = `${base}-${n}.json`;
  writeFileSync(file, microText(results));
  return file;
}

/** Whether the file is of the microbenchmarks. */
export const isMicro = (file: string): boolean =>
  (JSON.parse(readFileSync(file, 'utf8')) as { readonly kind?: unknown }).kind === 'micro';

export const readMicroResults = (file: string): MicroResults =>
  JSON.parse(readFileSync(file, 'utf8')) as MicroResults;

export const microValues = (results: MicroResults, name: string, figure: string): number[] =>
  results.samples.filter((one) => one.name === name && one.figure === figure).map(({ value }) => value);
