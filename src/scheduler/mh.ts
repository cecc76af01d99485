// SPDX-License-Identifier: Apache-2.0
/**
 * mh, Maglev hashing (ip_vs_mh.c): like sh, but a change of the list moves few clients besides those it must. Every
 * server walks its own permutation of the slots and takes free ones in turn, more per turn for a greater weight.
 *
 * The table is built from each server's last weight above 0, so that draining a server (weight 0) moves nobody: its
 * clients are refused, or spread over the others with mh-fallback, and come back with its weight. A server that
 * never had a weight owns no slot.
 */
import type { ServerIndex } from '../model/plan.js';
import { foldAddress } from './fold.js';
import { commonDivisor } from './gcd.js';
import { kernelOrder, withLastWeights, type Scheduler, type SchedulerServer } from './scheduler.js';
import { siphash13 } from './siphash.js';

/** The kernel's choices of CONFIG_IP_VS_MH_TAB_INDEX and the prime each stands for. */
export const maglevSizes = {
  8: 251,
  9: 509,
  10: 1021,
  11: 2039,
  12: 4093,
  13: 8191,
  14: 16381,
  15: 32749,
  16: 65521,
  17: 131071,
} as const;

export type MaglevIndex = keyof typeof maglevSizes;

/** The kernel's default. */
export const defaultMaglevIndex: MaglevIndex = 12;

/** Fixed in the kernel, so that directors agree. The first also hashes the clients. */
export const maglevKeys = [2654435761n, 2654446892n] as const;

export const mh = (usePort: boolean, fallback: boolean): Scheduler => ({
  name: 'mh',
  plan: (servers, past) => ({
    kind: 'hash',
    function: 'siphash',
    on: 'source',
    usePort,
    fallback,
    slots: maglevTable(withLastWeights(servers, past?.servers), defaultMaglevIndex),
  }),
});

/** Where a server starts in the table, how far it strides, and how many slots it takes at a time. */
export interface MaglevSetup {
  readonly server: ServerIndex;
  readonly offset: number;
  readonly skip: number;
  readonly turns: number;
}

export function maglevSetup(servers: readonly SchedulerServer[], index: MaglevIndex): MaglevSetup[] {
  const size = maglevSizes[index];
  const turnsOf = maglevTurns(servers, index);
  return kernelOrder(servers).flatMap((position) => {
    const server = servers[position];
    if (server === undefined) return [];
    const seed = (foldAddress(server.address) + server.port) >>> 0;
    const [offset, skip] = maglevKeys.map((key) => siphash13(seed, key, key)) as [number, number];
    return [
      { server: position, offset: offset % size, skip: (skip % (size - 1)) + 1, turns: turnsOf(server) },
    ];
  });
}

export function maglevTable(servers: readonly SchedulerServer[], index: MaglevIndex): ServerIndex[] {
  const size = maglevSizes[index];
  const slots = Array<ServerIndex>(size).fill(-1);
  const walkers = maglevSetup(servers, index)
    .filter(({ turns }) => turns > 0)
    .map((setup) => ({ ...setup, at: setup.offset }));
  let free = walkers.length === 0 ? 0 : size;
  while (free > 0) {
    for (const walker of walkers) {
      for (let turn = 0; turn < walker.turns && free > 0; turn += 1, free -= 1) {
        while (slots[walker.at] !== -1) walker.at = (walker.at + walker.skip) % size;
        slots[walker.at] = walker.server;
      }
    }
  }
  return slots;
}

/**
 * Weights over their common divisor, shifted right until the greatest fits half the index's bits: coarse weights
 * keep the turns short and so the servers well mixed. At least 1 for whoever has a weight.
 */
function maglevTurns(
  servers: readonly SchedulerServer[],
  index: MaglevIndex,
): (server: SchedulerServer) => number {
  const weights = servers.map((server) => server.lastWeight ?? server.weight);
  const divisor = commonDivisor(weights);
  const greatest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  const bits = 32 - Math.clz32(greatest / divisor);
  const shift = Math.max(0, bits - Math.floor(index / 2));
  return (server) => {
    const weight = (server.lastWeight ?? server.weight) / divisor;
    return weight === 0 ? 0 : Math.max(1, weight >> shift);
  };
}
