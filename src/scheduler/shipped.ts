// SPDX-License-Identifier: Apache-2.0
/** Schedulers that IPVS lacks, each written as anybody could write one. */
import type { CustomScheduler, SchedulerProgram } from '../model/custom-scheduler.js';
import { boundedHash } from './bounded-hash.js';
import { peakEwma } from './peak-ewma.js';

const shipped = [peakEwma, boundedHash] as readonly CustomScheduler[];

export const shippedNames = ['peak-ewma', 'bounded-hash'] as const;
export type ShippedName = (typeof shippedNames)[number];

export const shippedScheduler = (name: string): CustomScheduler | undefined =>
  shipped.find((scheduler) => scheduler.name === name);

/** It changes with vsnat only, so there is no version to tell. */
export function shippedProgram(
  name: string,
  options: SchedulerProgram['options'],
): SchedulerProgram | undefined {
  const scheduler = shippedScheduler(name);
  return scheduler && { reference: name, version: '', options, scheduler };
}
