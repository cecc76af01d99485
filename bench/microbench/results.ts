// SPDX-License-Identifier: Apache-2.0
/** What a run of the microbenchmarks found, and where: a file that is never rewritten. */
import { readFileSync } from 'node:fs';
import type { Provenance } from '../provenance.js';
import { writeNew } from '../report/files.js';

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
  /** Sentences: what was compared with, what was not measured, and why. */
  readonly notes: readonly string[];
  readonly samples: readonly MicroSample[];
}

/** <folder>/<date>-<commit>-<what>.json */
export const writeMicroResults = (folder: string, results: MicroResults): string =>
  writeNew(folder, `${results.date.slice(0, 10)}-${results.commit}-${results.what}`, results);

export const readMicroResults = (file: string): MicroResults =>
  JSON.parse(readFileSync(file, 'utf8')) as MicroResults;

export const microValues = (results: MicroResults, name: string, figure: string): number[] =>
  results.samples.filter((one) => one.name === name && one.figure === figure).map(({ value }) => value);
