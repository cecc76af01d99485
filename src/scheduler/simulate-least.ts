// SPDX-License-Identifier: Apache-2.0
/** The reference of least plans: costs compared one by one, and the two draws of twos. */
import type { LeastPlan, ServerIndex } from '../model/plan.js';

/** One server at the moment of a pick; its position in the array is its index in the plan. */
export interface LiveServer {
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
  /** At its upper threshold, and not yet below the lower one. */
  readonly overloaded: boolean;
}

/** A whole number below `bound`, drawn at random. */
export type Draw = (bound: number) => number;

export type Cost = Pick<LeastPlan, 'activeCost' | 'inactiveCost' | 'constant' | 'weighted' | 'factors'>;

export const usableAmong =
  (servers: readonly LiveServer[]) =>
  (index: ServerIndex): boolean => {
    const server = servers[index];
    return server !== undefined && server.weight > 0 && !server.overloaded;
  };

export function pickLeast(plan: LeastPlan, servers: readonly LiveServer[], draw: Draw): ServerIndex | null {
  const usable = plan.order.filter(usableAmong(servers));
  switch (plan.among) {
    case 'all':
      return leastOf(usable, servers, plan);
    case 'idle-first':
      return usable.find((index) => servers[index]?.active === 0) ?? leastOf(usable, servers, plan);
    case 'two':
      return leastOf(drawTwo(usable, servers, draw), servers, plan);
    case 'two-distinct':
      return leastOf(drawDistinct(usable, servers, draw), servers, plan);
  }
}

/** The cheapest of `candidates`, the earliest of several. */
export function leastOf(
  candidates: readonly ServerIndex[],
  servers: readonly LiveServer[],
  { activeCost, inactiveCost, constant, weighted, factors }: Cost,
): ServerIndex | null {
  const [first, ...rest] = candidates.map((index) => {
    const { active = 0, inactive = 0, weight = 0 } = servers[index] ?? {};
    const cost = (active * activeCost + inactive * inactiveCost + constant) * (factors?.[index] ?? 1);
    return { index, cost, weight: weighted ? weight : 1 };
  });
  if (first === undefined) return null;
  // Cross-multiplied, so that no division rounds a tie away; only a strictly better one replaces.
  const best = rest.reduce(
    (least, candidate) => (least.cost * candidate.weight > candidate.cost * least.weight ? candidate : least),
    first,
  );
  return best.index;
}

/** Both draws include the sum of weights itself, as in the kernel: the first server has one chance more. */
function drawTwo(
  usable: readonly ServerIndex[],
  servers: readonly LiveServer[],
  draw: Draw,
): readonly ServerIndex[] {
  if (usable.length === 0) return [];
  const weightOf = (index: ServerIndex): number => servers[index]?.weight ?? 0;
  const sum = usable.reduce((total, index) => total + weightOf(index), 0);
  return [draw(sum + 1), draw(sum + 1)].flatMap((drawn) => {
    let left = drawn;
    return usable.find((index) => (left -= weightOf(index)) <= 0) ?? [];
  });
}

/** The second draw is among the others; a server alone is drawn alone. */
function drawDistinct(
  usable: readonly ServerIndex[],
  servers: readonly LiveServer[],
  draw: Draw,
): readonly ServerIndex[] {
  const weightOf = (index: ServerIndex): number => servers[index]?.weight ?? 0;
  const drawOne = (candidates: readonly ServerIndex[]): ServerIndex | undefined => {
    const sum = candidates.reduce((total, index) => total + weightOf(index), 0);
    if (sum === 0) return undefined;
    let left = draw(sum);
    return candidates.find((index) => (left -= weightOf(index)) < 0);
  };
  const first = drawOne(usable);
  const second = drawOne(usable.filter((index) => index !== first));
  return [first, second].filter((index) => index !== undefined);
}
