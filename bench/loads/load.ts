// SPDX-License-Identifier: Apache-2.0
/** What is measured. Every load is bounded by time, and one that failed at anything is a failure, not a slow sample. */
import { load, type LoadOptions, type Results } from '../../test/netns/support/load.js';
import type { Family } from '../../test/netns/support/lab.js';
import type { Namespace } from '../../test/netns/support/namespace.js';
import type { ServiceName } from '../contenders/contender.js';

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

/** Where loads come from, and how they find their way and their sink. */
export interface Site {
  readonly client: Namespace;
  readonly device: string;
  /** MAC address of the director. */
  readonly nextHop: string;
  readonly countFile: string;
}

/** Where a service is reached, in the load's family. */
export type To = (service: ServiceName) => string;

export interface Outcome {
  /** By the names in `figures`. */
  readonly values: Readonly<Record<string, number>>;
  /** What the director was busy with, in units of `perUnit`. */
  readonly work: number;
}

export interface Load {
  readonly name: string;
  readonly service: ServiceName;
  readonly family: Family;
  readonly flows: number;
  /** Also in --quick. */
  readonly isMain: boolean;
  readonly figures: readonly Figure[];
  /** What CPU time is counted by: CPU seconds per gigabyte, per million packets; null where it would say nothing. */
  readonly perUnit: string | null;
  /** Not measured: a program that has just started still touches its memory for the first time. */
  warmUp(site: Site, to: To): Promise<void>;
  run(site: Site, to: To, seconds: number): Promise<Outcome>;
}

export const warmUpSeconds = 0.2;

export const families = { v4: '', v6: 'IPv6 ' } as const;

/** One run of the load tool; throws when anything failed. */
export async function measured<C extends keyof Results>(
  site: Site,
  command: C,
  options: LoadOptions,
): Promise<Results[C]> {
  const result = await load(site.client, command, options);
  const errors = Object.entries(result.errors);
  const failed = 'failed' in result ? result.failed : 0;
  if (failed > 0 || errors.length > 0) {
    throw new Error(`${command}: failed: ${errors.map(([name, count]) => `${count} ${name}`).join(', ')}`);
  }
  return result;
}
