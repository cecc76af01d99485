// SPDX-License-Identifier: Apache-2.0
/**
 * Picks from a plan, slowly and obviously. It is the reference the dataplane is tested against, and answers "which
 * server would this client get?" without a packet.
 */
import type { IpAddress } from '../model/address.js';
import type { BoundedPlan, CyclePlan, FirstPlan, HashPlan, Plan, ServerIndex } from '../model/plan.js';
import { foldAddress } from './fold.js';
import { maglevKeys } from './mh.js';
import { stepAt } from './scheduler.js';
import { pickLeast, usableAmong, type Draw, type LiveServer } from './simulate-least.js';
import { pickLocal, type Memory } from './simulate-local.js';
import { siphash13 } from './siphash.js';

export type { Draw, LiveServer } from './simulate-least.js';
export { carryMemory, type Memory } from './simulate-local.js';

export interface Client {
  readonly address: IpAddress;
  readonly port: number;
}

/** What a plan may look at besides servers and client. */
export interface Occasion {
  /** The VIP. */
  readonly destination?: IpAddress;
  readonly nowSeconds?: number;
  readonly draw?: Draw;
  /** What a local plan knows; begins empty. */
  readonly memory?: Memory;
}

export interface Pick {
  /** null: no usable server. */
  readonly server: ServerIndex | null;
  /** Where a cycle goes on; pass it to the next pick. */
  readonly cursor: number;
  /** What a local plan knows from now on; pass it to the next pick. */
  readonly memory: Memory;
}

export function pick(
  plan: Plan,
  servers: readonly LiveServer[],
  client: Client,
  cursor = 0,
  { destination, nowSeconds = 0, draw = () => 0, memory = new Map() }: Occasion = {},
): Pick {
  const usable = usableAmong(servers);
  const stateless = (server: ServerIndex | null): Pick => ({ server, cursor, memory });
  switch (plan.kind) {
    case 'cycle':
      return { ...pickFromCycle(plan, usable, cursor), memory };
    case 'hash':
      return stateless(pickByHash(plan, usable, plan.on === 'source' ? client.address : destination, client));
    case 'least':
      return stateless(pickLeast(plan, servers, draw));
    case 'first':
      return stateless(pickFirst(plan, servers));
    case 'bounded':
      return stateless(
        pickBounded(plan, servers, plan.on === 'source' ? client.address : destination, client),
      );
    case 'local':
      return { cursor, ...pickLocal(plan, servers, required(destination), nowSeconds, memory) };
  }
}

type Usable = (index: ServerIndex) => boolean;

function pickFromCycle(plan: CyclePlan, usable: Usable, cursor: number): Omit<Pick, 'memory'> {
  const end = cursor + plan.lead.length + plan.loop.length;
  for (let step = cursor; step < end; step += 1) {
    const server = stepAt(plan, step);
    if (server !== undefined && usable(server)) return { server, cursor: step + 1 };
  }
  return { server: null, cursor };
}

function pickByHash(
  plan: HashPlan,
  usable: Usable,
  address: IpAddress | undefined,
  { port }: Client,
): ServerIndex | null {
  const key = foldAddress(required(address)) + (plan.usePort ? port : 0);
  for (const slot of probes(plan, key)) {
    const server = plan.slots[slot] ?? -1;
    if (server === -1) return null;
    if (usable(server)) return server;
  }
  return null;
}

/** The key's own slot, then with fallback as many others as there are slots. */
function* probes(plan: HashPlan, key: number): Generator<number> {
  const size = plan.slots.length;
  const first = hashSlot(plan, key);
  yield first;
  for (let k = 0; plan.fallback && k < size; k += 1) {
    const offset = (first + k) % size;
    yield plan.function === 'golden' ? (first + offset) % size : hashSlot(plan, key + offset);
  }
}

/** The slot a 32-bit key falls into. */
export function hashSlot(plan: HashPlan, key: number): number {
  if (plan.function === 'siphash') return siphashSlot(plan.slots.length, key);
  return Math.imul(key, 0x61c88647) >>> (32 - Math.log2(plan.slots.length));
}

const siphashSlot = (size: number, key: number): number =>
  siphash13(key, maglevKeys[0], maglevKeys[0]) % size;

function pickBounded(
  plan: BoundedPlan,
  servers: readonly LiveServer[],
  address: IpAddress | undefined,
  { port }: Client,
): ServerIndex | null {
  const usable = usableAmong(servers);
  const loadOf = ({ active, inactive }: LiveServer): number =>
    plan.counted === 'active' ? active : active + inactive;
  const sumOf = (read: (server: LiveServer) => number): bigint =>
    BigInt(servers.reduce((sum, server, index) => sum + (usable(index) ? read(server) : 0), 0));
  const loads = sumOf(loadOf);
  const weights = sumOf(({ weight }) => weight);
  // In whole numbers, so that a load at its bound is at it exactly.
  const hasRoom = (server: LiveServer | undefined): boolean =>
    server !== undefined &&
    BigInt(loadOf(server)) * 100n * weights <
      BigInt(plan.boundPercent) * (loads + 1n) * BigInt(server.weight);
  const key = foldAddress(required(address)) + (plan.usePort ? port : 0);
  const size = plan.slots.length;
  if (size === 0) return null;
  const start = siphashSlot(size, key);
  const met = [...plan.slots.slice(start), ...plan.slots.slice(0, start)].filter(usable);
  return met.find((index) => hasRoom(servers[index])) ?? met[0] ?? null;
}

function pickFirst(plan: FirstPlan, servers: readonly LiveServer[]): ServerIndex | null {
  const room = (index: ServerIndex): boolean => {
    const { active = 0, weight = 0 } = servers[index] ?? {};
    return !plan.overflow || active <= weight;
  };
  return plan.order.filter(usableAmong(servers)).find(room) ?? null;
}

function required(destination: IpAddress | undefined): IpAddress {
  if (destination === undefined) throw new Error('pick: this plan needs the destination of the connection');
  return destination;
}
