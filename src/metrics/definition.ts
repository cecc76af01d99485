// SPDX-License-Identifier: Apache-2.0
/**
 * What a metric is here: a name, a sentence, and a pure function from one sample to its series. Every definition reads
 * the same sample, taken once per scrape, so that the conservation equations hold within a scrape and
 * the dataplane's counters are summed once, not once per metric.
 */
import type { Counters, DeviceFacts } from '../dataplane/dataplane.js';
import type { DefenceState } from '../director/defence.js';
import type { Publishes } from '../director/publishes.js';
import type { ReloadNumbers } from '../director/reload.js';
import type { HealthFacts } from '../health/state.js';
import type { MetricsSettings } from '../model/index.js';
import type { Counted, CountedService, Detail, View } from './detail.js';
import type { AdminFacts } from './admin.js';

export interface BuildFacts {
  readonly version: string;
  readonly node: string;
  readonly addonAbi: number;
}

export interface Sample {
  readonly build: BuildFacts;
  readonly facts: DeviceFacts;
  readonly reloads: ReloadNumbers;
  readonly publishes: Publishes;
  /** Of the snapshot published last. */
  readonly generation: number;
  /** Differences between what runs and the last file. */
  readonly deviations: number;
  readonly counters: Counters;
  readonly defence: DefenceState;
  readonly services: Counted<CountedService>;
  /** null: nobody checks anything. */
  readonly health: HealthFacts | null;
  readonly settings: Pick<MetricsSettings, 'maxSeries' | 'nodeIpvs'>;
  readonly admin: AdminFacts;
}

/** A sample and how much of it is told (detail.ts). */
export interface Told extends Sample {
  readonly detail: Detail;
  readonly view: View;
  /** Series that this detail leaves out or adds up. */
  readonly seriesDropped: number;
}

export type Labels = Readonly<Record<string, string>>;

export interface Series {
  readonly labels: Labels;
  /** The same as they are written, where that is known already. */
  readonly labelText?: string;
  readonly value: number;
}

/** Buckets not added up, one more than there are bounds. */
export interface HistogramSeries {
  readonly labels: Labels;
  readonly labelText?: string;
  readonly counts: readonly number[];
  readonly sum: number;
}

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Of which rows of the view it has series; left out: its series are few, and told whatever the limit. */
  readonly rows?: keyof View;
}

export interface NumberDefinition extends Described {
  readonly type: 'counter' | 'gauge';
  /** Series a row, 1 when left out. */
  readonly width?: number;
  readonly series: (told: Told) => Iterable<Series>;
}

export interface HistogramDefinition extends Described {
  readonly type: 'histogram';
  /** In seconds. */
  readonly bounds: readonly number[];
  readonly series: (told: Told) => Iterable<HistogramSeries>;
}

export type MetricDefinition = NumberDefinition | HistogramDefinition;

/** Series a definition has for each row: of a histogram its buckets, +Inf, sum and count. */
export const widthOf = (definition: MetricDefinition): number =>
  definition.type === 'histogram' ? definition.bounds.length + 3 : (definition.width ?? 1);

/** What its samples are called in a query. */
export const sampleNamesOf = ({ name, type }: MetricDefinition): readonly string[] =>
  type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];

/** One series without labels. */
export function single(value: number): readonly Series[] {
  return [{ labels: {}, value }];
}
