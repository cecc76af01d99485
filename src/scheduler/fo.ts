// SPDX-License-Identifier: Apache-2.0
/** fo, failover: everything to the usable server with the greatest weight, the newest of several (ip_vs_fo.c). */
import type { ServerIndex } from '../model/plan.js';
import { usableInOrder } from './load.js';
import type { Scheduler, SchedulerServer } from './scheduler.js';

export const fo: Scheduler = {
  name: 'fo',
  plan: (servers) => ({ kind: 'first', overflow: false, order: byWeight(servers) }),
};

/** The greatest weight first; the sort is stable, so equal weights stay in the kernel's order. */
export function byWeight(servers: readonly SchedulerServer[]): ServerIndex[] {
  const weight = (index: ServerIndex): number => servers[index]?.weight ?? 0;
  return usableInOrder(servers).sort((a, b) => weight(b) - weight(a));
}
