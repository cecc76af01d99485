// SPDX-License-Identifier: Apache-2.0
/**
 * A scheduler is a pure function from real servers to a plan. The dataplane picks from the plan, once per new
 * connection; JavaScript is not asked again until something changes and the director plans anew.
 *
 * The kernel keeps a scheduler's state (where rr stands, how far wrr's threshold has sunk) in the service. Here it
 * is recovered from the plan that ran until now and the number of steps it took, which is all `Past` says.
 */
import type { Past, SchedulerServer } from '../model/custom-scheduler.js';
import type { CyclePlan, Plan, ServerIndex } from '../model/plan.js';
import { serverId, type SchedulerName } from '../model/service.js';

export type { Past, SchedulerServer } from '../model/custom-scheduler.js';

export interface Scheduler {
  readonly name: SchedulerName;
  /** Indexes of the plan are positions in `servers`, which is in the order of the configuration. */
  plan(servers: readonly SchedulerServer[], past?: Past): Plan;
}

/** The kernel puts every new server at the head of its list and walks from there: the last configured comes first. */
export const kernelOrder = (servers: readonly SchedulerServer[]): ServerIndex[] =>
  servers.map((_, index) => servers.length - 1 - index);

/**
 * Carry each server's last weight above 0 from one plan to the next. Keep the result as the `servers` of the next
 * `Past`: a server drained two reloads ago still holds its Maglev slots then, as in the kernel.
 */
export function withLastWeights(
  servers: readonly SchedulerServer[],
  before: readonly SchedulerServer[] = [],
): readonly SchedulerServer[] {
  if (servers.every(({ weight }) => weight > 0)) return servers;
  const known = new Map(before.map((server) => [serverId(server), lastWeight(server)]));
  return servers.map((server) =>
    server.weight > 0
      ? server
      : { ...server, lastWeight: lastWeight(server) || (known.get(serverId(server)) ?? 0) },
  );
}

/** The server of step `step` (0 is the first) of a cycle. Undefined when the cycle is empty. */
export function stepAt({ lead, loop }: CyclePlan, step: number): ServerIndex | undefined {
  return step < lead.length ? lead[step] : loop[(step - lead.length) % loop.length];
}

/** One that has a weight needs no memory of another. */
const lastWeight = (server: SchedulerServer): number =>
  server.weight > 0 ? server.weight : (server.lastWeight ?? 0);
