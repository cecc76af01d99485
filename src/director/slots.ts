// SPDX-License-Identifier: Apache-2.0
/**
 * Which slot of the dataplane a service or server lives in. Counters and live flows hang on the slot, so it stays the
 * same for as long as the key is configured, and a server that comes back finds its old one. A slot given up goes to
 * somebody else only when nothing uses it any more, and only after every fresh slot is spent: a late reader
 * of the counters never sees one server's numbers under another's name without need. What the slot has counted for
 * its former owner stays in the dataplane and is taken off here (past.ts). Those given up by the very
 * change that needs one come last: until its next burst a worker may start a flow there under the old snapshot, which is
 * then counted for the new owner. The flow itself holds its own addresses, so its packets go where they should.
 *
 * Pure: a publish that fails must leave the old assignment as it was, so the new one is a new value.
 */
import type { Limits } from '../dataplane/dataplane.js';
import { VsnatError } from '../errors.js';
import type { Model } from '../model/index.js';

export interface Slots {
  readonly live: ReadonlyMap<string, number>;
  /** Given up, oldest first; still carrying flows, or simply not needed again yet. */
  readonly retired: ReadonlyMap<string, number>;
  /** The lowest slot never used. */
  readonly fresh: number;
  /** Slots that this assignment took from a former owner. */
  readonly takenOver: readonly number[];
  /** What this assignment gave, in the order of what was wanted. */
  readonly assigned: readonly number[];
}

export const noSlots: Slots = { live: new Map(), retired: new Map(), fresh: 0, takenOver: [], assigned: [] };

export interface SlotRules {
  /** For the message when they run out: 'server' or 'service'. */
  readonly what: string;
  readonly limit: number;
  /** Whether nothing hangs on the slot any more. */
  readonly idle: (slot: number) => boolean;
}

/** How many slots a model takes: one per service, and one per server of each service, sorry ones included. */
export const slotsNeeded = ({ services }: Model): Limits => ({
  serviceSlots: services.length,
  serverSlots: services.reduce(
    (sum, { servers, sorryServers }) => sum + servers.length + sorryServers.length,
    0,
  ),
});

/** Gives every wanted key a slot. Throws when there are more keys than slots free to take. */
export function assignSlots(before: Slots, wanted: readonly string[], rules: SlotRules): Slots {
  const retired = new Map(before.retired);
  const known = before.live.size + retired.size === 0 ? noneKnown : takeKnown();
  let fresh = before.fresh;
  const takenOver: number[] = [];
  for (const [key, slot] of before.live) if (!known.has(key)) retired.set(key, slot);
  let reusable: Iterator<readonly [string, number], undefined> | undefined; // nobody is asked before it must be
  const live = new Map<string, number>();
  const assigned = wanted.map((key) => {
    const slot = known.get(key) ?? take();
    live.set(key, slot);
    return slot;
  });
  return { live, retired, fresh, takenOver, assigned };

  function takeKnown(): ReadonlyMap<string, number> {
    const found = new Map<string, number>();
    for (const key of wanted) {
      const slot = before.live.get(key) ?? retired.get(key);
      if (slot !== undefined) found.set(key, slot);
      retired.delete(key);
    }
    return found;
  }

  function take(): number {
    if (fresh < rules.limit) return fresh++;
    reusable ??= [...retired].filter(([, slot]) => rules.idle(slot)).values();
    const next = reusable.next();
    if (next.done === true) {
      throw new VsnatError('VSNAT_DATAPLANE', noneFree(wanted.length, rules));
    }
    const [owner, slot] = next.value;
    retired.delete(owner);
    takenOver.push(slot);
    return slot;
  }
}

const noneKnown: ReadonlyMap<string, number> = new Map();

function noneFree(wanted: number, { what, limit }: SlotRules): string {
  const started = `${what}s: must fit into the ${limit} slots this daemon started with, got`;
  return wanted > limit
    ? `${started} ${wanted} ${what}s; restart the daemon, which then takes as many slots as it needs`
    : `${started} ${wanted} ${what}s and removed ones that still carry connections; wait for those to end and reload, ` +
        'or restart the daemon';
}
