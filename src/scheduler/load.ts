// SPDX-License-Identifier: Apache-2.0
/**
 * What lc, wlc and most of their kin compare. Linux 6.12 weighs 256 * active + (active + inactive): an active connection counts as much
 * as 257 inactive ones. Ties go to the newest server (the order of the list), as the kernel replaces its best
 * candidate only by a strictly better one.
 */
import type { ServerIndex } from '../model/plan.js';
import { kernelOrder, type SchedulerServer } from './scheduler.js';

export const kernelLoad = { activeCost: 257, inactiveCost: 1 } as const;

/** Load-based plans have no position to keep, so drained servers can be left out. */
export const usableInOrder = (servers: readonly SchedulerServer[]): ServerIndex[] =>
  kernelOrder(servers).filter((index) => (servers[index]?.weight ?? 0) > 0);
