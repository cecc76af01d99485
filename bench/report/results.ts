// SPDX-License-Identifier: Apache-2.0
/** The samples of a run and where they come from, as a file that is never rewritten. */
import { readFileSync } from 'node:fs';
import { writeNew } from './files.js';

export interface Sample {
  readonly round: number;
  readonly contender: string;
  readonly load: string;
  /** `rate`, `p99`, `director CPU`: what of the load. */
  readonly figure: string;
  /** null: the run failed; `error` says how. */
  readonly value: number | null;
  readonly error?: string;
}

export interface FigureOfLoad {
  readonly load: string;
  readonly figure: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

export interface ContenderInRun {
  readonly name: string;
  readonly kind: string;
}

export interface Results {
  readonly commit: string;
  /** Whether sources differed from that commit. */
  readonly dirty: boolean;
  readonly date: string;
  readonly cpu: string;
  readonly kernel: string;
  readonly node: string;
  readonly command: string;
  readonly rounds: number;
  readonly seconds: number;
  /** What else had the machine: the load average at the start, and the share of time the hypervisor gave to others. */
  readonly loadAverage: number;
  readonly stolenShare: number;
  readonly tookSeconds: number;
  readonly contenders: readonly ContenderInRun[];
  readonly figures: readonly FigureOfLoad[];
  /** Sentences: who was not measured, and why. */
  readonly notes: readonly string[];
  readonly samples: readonly Sample[];
}

/** <folder>/<date>-<commit>.json */
export const writeResults = (folder: string, results: Results): string =>
  writeNew(folder, `${results.date.slice(0, 10)}-${results.commit}`, results);

export class ResultsError extends Error {}

export function readResults(file: string): Results {
  const results = JSON.parse(readFileSync(file, 'utf8')) as Partial<Results>;
  if (results.figures === undefined || results.contenders === undefined)
    throw new ResultsError(
      `${file}: figures, contenders: must be there, got a file of an older harness; run it again`,
    );
  return results as Results;
}

export const valuesOf = (
  samples: readonly Sample[],
  contender: string,
  load: string,
  figure: string,
): number[] =>
  samples
    .filter((one) => one.contender === contender && one.load === load && one.figure === figure)
    .flatMap(({ value }) => (value === null ? [] : [value]));
