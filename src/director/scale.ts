// SPDX-License-Identifier: Apache-2.0
/**
 * Weights with a share of them, as whole numbers. While a share is a fraction, all weights of the service are multiplied by
 * one factor, so that half of weight 1 beside weight 1 is 50 beside 100. Schedulers compare weights with each other, so a
 * common factor changes nothing; those that compare them with numbers of connections are left alone and rounded.
 */
import { maxWeight, type SchedulerName, type VirtualService, type Weight } from '../model/index.js';

export interface Shared {
  readonly weight: number;
  /** 0..1 */
  readonly share: number;
}

/** One percent of weight 1 is still a whole number. */
const factor = 100;

/** A weight there means a number of connections (ip_vs_ovf.c; is_overloaded in ip_vs_lblc.c and ip_vs_lblcr.c). */
const absolute: ReadonlySet<SchedulerName> = new Set(['ovf', 'lblc', 'lblcr']);

/** To custom schedulers weights are shares. */
const isAbsolute = (scheduler: VirtualService['scheduler']): boolean =>
  typeof scheduler === 'string' && absolute.has(scheduler);

/** null, for a server without a share, is weight 0. No share above 0 becomes weight 0. */
export function scaledWeights(
  scheduler: VirtualService['scheduler'],
  members: readonly (Shared | null)[],
): readonly Weight[] {
  const isWhole = members.every((member) => member === null || member.share === 1);
  const greatest = members.reduce((most, member) => Math.max(most, member?.weight ?? 0), 1);
  const scale = isWhole || isAbsolute(scheduler) ? 1 : Math.min(factor, Math.floor(maxWeight / greatest));
  return members.map((member) => {
    if (member === null || member.weight === 0 || member.share <= 0) return 0 as Weight;
    return Math.max(1, Math.round(member.weight * member.share * scale)) as Weight;
  });
}
