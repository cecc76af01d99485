// SPDX-License-Identifier: Apache-2.0
/**
 * Picks from a plan, slowly and obviously. It is the reference the dataplane is tested against, and answers "which
 * server would this client get?" without a packet.
 */
import type { IpAddress } from '../model/address.js';
import type { CyclePlan, HashPlan, LeastPlan, Plan, ServerIndex } from '../model/plan.js';
import { foldAddress } from './fold.js';
import { maglevKeys } from './mh.js';
import { stepAt } from './scheduler.js';
import { siphash13 } from './siphash.js';

/** One server at the moment of a pick; its position in the array is its index in the plan. */
export interface LiveServer {
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
  /** At its upper threshold, and not yet below the lower one. */
  readonly overloaded: boolean;
}

export interface Client {
  readonly address: IpAddress;
  readonly port: number;
}

export interface Pick {
  /** null: no usable server. */
  readonly server: ServerIndex | null;
  /** Where a cycle goes on; pass it to the next pick. */
  readonly cursor: number;
}

export function pick(plan: Plan, servers: readonly LiveServer[], client: Client, cursor = 0): Pick {
  const usable = (index: ServerIndex): boolean => {
    const server = servers[index];
    return server !== undefined && server.weight > 0 && !server.overloaded;
  };
  switch (plan.kind) {
    case 'cycle':
      return pickFromCycle(plan, usable, cursor);
    case 'hash':
      return { server: pickByHash(plan, usable, client), cursor };
    case 'least':
      return { server: pickLeast(plan, servers, usable), cursor };
  }
}

type Usable = (index: ServerIndex) => boolean;

function pickFromCycle(plan: CyclePlan, usable: Usable, cursor: number): Pick {
  const end = cursor + plan.lead.length + plan.loop.length;
  for (let step = cursor; step < end; step += 1) {
    const server = stepAt(plan, step);
    if (server !== undefined && usable(server)) return { server, cursor: step + 1 };
  }
  return { server: null, cursor };
}

function pickByHash(plan: HashPlan, usable: Usable, client: Client): ServerIndex | null {
  for (const slot of probes(plan, client)) {
    const server = plan.slots[slot] ?? -1;
    if (server === -1) return null;
    if (usable(server)) return server;
  }
  return null;
}

/** The client's own slot, then with fallback as many others as there are slots. */
function* probes(plan: HashPlan, client: Client): Generator<number> {
  const size = plan.slots.length;
  const key = foldAddress(client.address) + (plan.usePort ? client.port : 0);
  const first = hashSlot(plan, key);
  yield first;
  for (let k = 0; plan.fallback && k < size; k += 1) {
    const offset = (first + k) % size;
    yield plan.function === 'golden' ? (first + offset) % size : hashSlot(plan, key + offset);
  }
}

/** The slot a client's 32-bit key falls into. */
export function hashSlot(plan: HashPlan, key: number): number {
  if (plan.function === 'siphash') return siphash13(key, maglevKeys[0], maglevKeys[0]) % plan.slots.length;
  return Math.imul(key, 0x61c88647) >>> (32 - Math.log2(plan.slots.length));
}

function pickLeast(plan: LeastPlan, servers: readonly LiveServer[], usable: Usable): ServerIndex | null {
  const candidates = plan.order.filter(usable).map((index) => {
    const { active = 0, inactive = 0, weight = 0 } = servers[index] ?? {};
    const cost = active * plan.activeCost + inactive * plan.inactiveCost + plan.constant;
    return { index, cost, weight: plan.weighted ? weight : 1 };
  });
  const [first, ...rest] = candidates;
  if (first === undefined) return null;
  // Cross-multiplied, so that no division rounds a tie away; only a strictly better one replaces.
  const best = rest.reduce(
    (least, candidate) => (least.cost * candidate.weight > candidate.cost * least.weight ? candidate : least),
    first,
  );
  return best.index;
}
