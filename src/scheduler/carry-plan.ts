// SPDX-License-Identifier: Apache-2.0
/**
 * A plan made for one list of servers, said of another: what serves on when a scheduler fails just as its servers
 * change. Servers that have left are left out, those that have come get nothing until a plan is made that knows them.
 */
import { serverId } from '../model/service.js';
import type { SchedulerServer } from '../model/custom-scheduler.js';
import type { Plan, ServerIndex } from '../model/plan.js';

export function carryPlan(
  plan: Plan,
  before: readonly SchedulerServer[],
  now: readonly SchedulerServer[],
): Plan {
  const positions = new Map(now.map((server, index) => [serverId(server), index]));
  const moved = before.map((server) => positions.get(serverId(server)));
  const carry = (indexes: readonly ServerIndex[]): ServerIndex[] =>
    indexes.flatMap((index) => moved[index] ?? []);
  switch (plan.kind) {
    case 'cycle':
      return { ...plan, lead: carry(plan.lead), loop: carry(plan.loop) };
    case 'hash':
    case 'bounded':
      return { ...plan, slots: plan.slots.map((index) => moved[index] ?? -1) };
    case 'least': {
      const { factors, ...rest } = plan;
      const carried = { ...rest, order: carry(plan.order) };
      return factors === undefined ? carried : { ...carried, factors: carryFactors(factors, moved, now) };
    }
    case 'first':
    case 'local':
      return { ...plan, order: carry(plan.order) };
  }
}

function carryFactors(
  factors: readonly number[],
  moved: readonly (ServerIndex | undefined)[],
  now: readonly SchedulerServer[],
): number[] {
  const carried = now.map(() => 1);
  moved.forEach((to, from) => {
    if (to !== undefined) carried[to] = factors[from] ?? 1;
  });
  return carried;
}

/** Whether any of these servers could be picked by it. */
export const servesAnybody = (plan: Plan): boolean =>
  plan.kind === 'cycle'
    ? plan.loop.length > 0
    : 'slots' in plan
      ? plan.slots.some((index) => index >= 0)
      : plan.order.length > 0;
