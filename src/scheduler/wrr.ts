// SPDX-License-Identifier: Apache-2.0
/**
 * wrr, weighted round robin (ip_vs_wrr.c): passes over the list with a sinking threshold. A pass takes every server
 * whose weight reaches the threshold; the next one asks for `divisor` less; below 1 it starts again at the top. So
 * the shares are exact over each cycle of sum(weights) / gcd(weights) steps, and a heavy server's turns are spread
 * over the cycle, though not as evenly as a smooth scheduler would.
 *
 * Bound at once, as from a configuration file, the cycle starts at the top: 4,3,2 gives A B A C B A C B A. On a
 * change the kernel goes back to the head of the list but keeps the threshold, clamped: those passes are the `lead`.
 * That is why a service built server by server begins with a flat pass: a lone server's threshold is 1.
 *
 * Size: the cycle is written out up to `maxCycleSteps`; that covers 16 servers of the greatest weight with no common
 * divisor. Longer cycles are made from weights scaled down together, none below 1: each share is then off by less
 * than servers / maxCycleSteps.
 */
import type { ServerIndex } from '../model/plan.js';
import { commonDivisor } from './gcd.js';
import { kernelOrder, type Past, type Scheduler, type SchedulerServer } from './scheduler.js';

/** 4 MiB in the dataplane and some 50 ms to write out, measured on 2 vCPU. */
export const maxCycleSteps = 1 << 20;

export const wrr: Scheduler = {
  name: 'wrr',
  plan(servers, past) {
    const wheel = wheelOf(servers);
    const start = past === undefined ? wheel.top : clampThreshold(wheel, thresholdAfter(past));
    return {
      kind: 'cycle',
      lead: start === wheel.top ? [] : passes(wheel, start),
      loop: passes(wheel, wheel.top),
    };
  },
};

interface Wheel {
  /** In the kernel's order, with weights above 0 only. */
  readonly list: readonly { readonly index: ServerIndex; readonly weight: number }[];
  /** The greatest common divisor of the weights; 1 when there are none. The kernel's di. */
  readonly divisor: number;
  /** The highest threshold, the kernel's mw: greatest weight - (divisor - 1). 0 when no server is usable. */
  readonly top: number;
}

function wheelOf(servers: readonly SchedulerServer[]): Wheel {
  const weights = boundedWeights(servers.map((server) => server.weight));
  const list = kernelOrder(servers)
    .map((index) => ({ index, weight: weights[index] ?? 0 }))
    .filter(({ weight }) => weight > 0);
  const divisor = commonDivisor(list.map(({ weight }) => weight));
  const greatest = list.reduce((most, { weight }) => Math.max(most, weight), 0);
  return { list, divisor, top: greatest - (divisor - 1) };
}

/** The steps of all passes from `threshold` down to the last. */
function passes({ list, divisor }: Wheel, threshold: number): ServerIndex[] {
  const steps: ServerIndex[] = [];
  // A weight is a multiple of the divisor and every threshold is 1 more than one, so a server joins at this one:
  const joins = new Set(list.map(({ weight }) => weight - divisor + 1));
  let taking: ServerIndex[] = [];
  for (let reach = threshold; reach > 0; reach -= divisor) {
    if (reach === threshold || joins.has(reach)) {
      taking = list.filter(({ weight }) => weight >= reach).map(({ index }) => index);
    }
    for (const index of taking) steps.push(index);
  }
  return steps;
}

/** What the kernel makes of its threshold when a server is added, removed or edited. */
function clampThreshold({ divisor, top }: Wheel, threshold: number): number {
  if (threshold > top || threshold === 0) return top;
  return divisor > 1 ? Math.floor(threshold / divisor) * divisor + 1 : threshold;
}

/** The threshold at which `past` made its last pick; 0, "none yet", when it never had a usable server. */
function thresholdAfter({ plan, servers, cursor }: Past): number {
  const wheel = wheelOf(servers);
  if (plan.kind !== 'cycle' || plan.loop.length === 0) return 0;
  const sizeOfPass = passSizes(wheel);
  const start = startOf(wheel, plan.lead.length, sizeOfPass);
  if (cursor === 0) return start;
  const inLead = cursor <= plan.lead.length;
  let step = inLead ? cursor - 1 : (cursor - plan.lead.length - 1) % plan.loop.length;
  let threshold = inLead ? start : wheel.top;
  while (threshold > wheel.divisor && step >= sizeOfPass(threshold)) {
    step -= sizeOfPass(threshold);
    threshold -= wheel.divisor;
  }
  return threshold;
}

/** A lead is whole passes down to threshold 1, and no pass is empty, so its length tells where it started. */
function startOf(wheel: Wheel, leadLength: number, sizeOfPass: (threshold: number) => number): number {
  if (leadLength === 0) return wheel.top;
  let threshold = 1;
  for (
    let steps = sizeOfPass(1);
    steps < leadLength && threshold < wheel.top;
    steps += sizeOfPass(threshold)
  ) {
    threshold += wheel.divisor;
  }
  return threshold;
}

/** How many servers a pass takes. By binary search: there may be 65,535 passes over a thousand servers. */
function passSizes({ list }: Wheel): (threshold: number) => number {
  const sorted = Uint16Array.from(list, ({ weight }) => weight).sort();
  return (threshold) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? 0) >= threshold) high = middle;
      else low = middle + 1;
    }
    return sorted.length - low;
  };
}

function boundedWeights(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum / commonDivisor(weights) <= maxCycleSteps) return weights;
  const scale = sum / (maxCycleSteps - weights.length);
  return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.floor(weight / scale))));
}
