// SPDX-License-Identifier: Apache-2.0
/** What `npm run bench -- profile` found: CPU time per unit of work, by part of a packet's way, and system calls. */
import { readFileSync } from 'node:fs';
import type { Provenance } from '../provenance.js';
import { median } from './statistics.js';
import { markdownTable } from './table.js';

/** One contender in one round. */
export interface ProfileSample {
  readonly round: number;
  readonly contender: string;
  /** CPU seconds of the director's threads per unit. */
  readonly perUnit: number;
  /** Of them, by stage (stages.ts). */
  readonly stages: Readonly<Record<string, number>>;
  /** System calls of the director's threads per unit. */
  readonly systemCalls: number;
}

export interface ProfileResults extends Provenance {
  readonly kind: 'profile';
  readonly load: string;
  /** `million packets`, `GB`. */
  readonly unit: string;
  readonly seconds: number;
  readonly samples: readonly ProfileSample[];
}

export const readProfile = (file: string): ProfileResults =>
  JSON.parse(readFileSync(file, 'utf8')) as ProfileResults;

/** A second per million packets is a microsecond per packet. */
const isPerPacket = ({ unit }: ProfileResults): boolean => unit === 'million packets';

/** A row per stage, the longest first, and a column per contender: medians of the rounds. */
export function profileTable(results: ProfileResults): string {
  const { samples, unit, load, seconds, commit, loadAverage } = results;
  const names = [...new Set(samples.map(({ contender }) => contender))];
  const of = (name: string, value: (sample: ProfileSample) => number): number =>
    median(samples.filter(({ contender }) => contender === name).map(value));
  const spent = (stage: string) => (name: string) => of(name, ({ stages }) => stages[stage] ?? 0);
  const stages = [...new Set(samples.flatMap((sample) => Object.keys(sample.stages)))]
    .map((stage) => ({ stage, values: names.map(spent(stage)) }))
    .toSorted((a, b) => Math.max(...b.values) - Math.max(...a.values));
  const calls = names.map((name) =>
    of(name, ({ systemCalls }) => systemCalls / (isPerPacket(results) ? 1e6 : 1)),
  );
  const table = markdownTable(
    [isPerPacket(results) ? 'µs of CPU per packet' : `CPU s per ${unit}`, ...names],
    [
      ...stages.map(({ stage, values }) => [stage, ...values.map((value) => value.toFixed(2))]),
      ['sum', ...names.map((name) => `**${of(name, ({ perUnit }) => perUnit).toFixed(2)}**`)],
      [
        `system calls per ${isPerPacket(results) ? 'packet' : unit}`,
        ...calls.map((value) => (value >= 100 ? value.toFixed(0) : value.toFixed(2))),
      ],
    ],
  );
  const rounds = Math.max(...samples.map(({ round }) => round));
  return `${load}; commit ${commit}, ${rounds} rounds of ${seconds} s, load average ${loadAverage.toFixed(2)} at the start.\n\n${table}`;
}
