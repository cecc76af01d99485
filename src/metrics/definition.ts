// SPDX-License-Identifier: Apache-2.0
/**
 * What a metric is here: a name, a sentence, and a pure function from one sample to its series. Every definition reads
 * the same sample, taken once per scrape, so that the conservation equations hold within a scrape and
 * the dataplane's counters are summed once, not once per metric.
 */
import type { Counters, DeviceFacts } from '../dataplane/dataplane.js';
import type { DefenceState } from '../director/defence.js';
import type { ReloadFacts } from '../director/reload.js';
import type { ServiceReport } from '../director/report.js';

export interface BuildFacts {
  readonly version: string;
  readonly node: string;
  readonly addonAbi: number;
}

export interface Sample {
  readonly build: BuildFacts;
  readonly facts: DeviceFacts;
  readonly reloads: ReloadFacts;
  /** Of the snapshot published last. */
  readonly generation: number;
  readonly counters: Counters;
  readonly defence: DefenceState;
  readonly services: readonly ServiceReport[];
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  readonly series: (sample: Sample) => Iterable<Series>;
}

/** One series without labels. */
export function single(value: number): readonly Series[] {
  return [{ labels: {}, value }];
}
