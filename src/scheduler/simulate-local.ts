// SPDX-License-Identifier: Apache-2.0
/** The reference of local plans (lblc, lblcr): one pick, and what the service remembers after it. */
import type { IpAddress } from '../model/address.js';
import type { LocalPlan, ServerIndex } from '../model/plan.js';
import { serverId } from '../model/service.js';
import type { SchedulerServer } from './scheduler.js';
import { leastOf, usableAmong, type LiveServer } from './simulate-least.js';

/** What a service knows of one destination. Times are in seconds. */
export interface Remembered {
  /** The newest member first. */
  readonly servers: readonly ServerIndex[];
  /** When a connection last asked for the destination. */
  readonly used: number;
  /** When a server was last added or removed. */
  readonly changed: number;
}

export type Memory = ReadonlyMap<IpAddress, Remembered>;

export interface LocalPick {
  readonly server: ServerIndex | null;
  readonly memory: Memory;
}

export function pickLocal(
  plan: LocalPlan,
  servers: readonly LiveServer[],
  destination: IpAddress,
  now: number,
  memory: Memory,
): LocalPick {
  const before = recall(memory.get(destination), now - plan.forgetSeconds);
  const known = { ...(plan.replicate ? shrink(before, plan, servers, now) : before), used: now };
  const kept = plan.replicate
    ? leastOf(before.servers.filter(usableAmong(servers)), servers, costOf(plan))
    : (before.servers.find((index) => (servers[index]?.weight ?? 0) > 0) ?? null);
  const stays = kept !== null && !crowded(kept, servers);
  const server = stays ? kept : leastOf(plan.order.filter(usableAmong(servers)), servers, costOf(plan));
  const after = stays || server === null ? known : admit(known, server, plan.replicate, now);
  return { server, memory: new Map(memory).set(destination, after) };
}

/** The memory of a service whose list changes, as the dataplane carries it over: servers that left are forgotten. */
export function carryMemory(
  memory: Memory,
  before: readonly SchedulerServer[],
  after: readonly SchedulerServer[],
): Memory {
  const now = new Map(after.map((server, index) => [serverId(server), index]));
  const moved = before.map((server) => now.get(serverId(server)) ?? null);
  return new Map(
    [...memory].map(([destination, known]) => [
      destination,
      {
        ...known,
        servers: known.servers.map((index) => moved[index] ?? null).filter((index) => index !== null),
      },
    ]),
  );
}

const nothing: Remembered = { servers: [], used: -Infinity, changed: -Infinity };

const recall = (known: Remembered = nothing, forgotten: number): Remembered =>
  known.used > forgotten ? known : nothing;

const costOf = ({ activeCost, inactiveCost }: LocalPlan) => ({
  activeCost,
  inactiveCost,
  constant: 0,
  weighted: true,
});

/** A set that did not change for long gives up its most loaded member. */
function shrink(known: Remembered, plan: LocalPlan, servers: readonly LiveServer[], now: number): Remembered {
  if (known.servers.length < 2 || now <= known.changed + plan.forgetSeconds) return known;
  const load = (index: ServerIndex): number => {
    const { active = 0, inactive = 0, weight = 1 } = servers[index] ?? {};
    return (active * plan.activeCost + inactive * plan.inactiveCost) / weight;
  };
  const members = known.servers.filter((index) => (servers[index]?.weight ?? 0) > 0);
  const greatest = Math.max(...members.map(load));
  const most = members.find((index) => load(index) === greatest);
  if (most === undefined) return known;
  return { ...known, servers: known.servers.filter((index) => index !== most), changed: now };
}

function admit(known: Remembered, server: ServerIndex, replicate: boolean, now: number): Remembered {
  const others = replicate ? known.servers : [];
  return others.includes(server) ? known : { ...known, servers: [server, ...others], changed: now };
}

function crowded(index: ServerIndex, servers: readonly LiveServer[]): boolean {
  const { active = 0, weight = 0 } = servers[index] ?? {};
  return active > weight && servers.some((other) => other.active * 2 < other.weight);
}
