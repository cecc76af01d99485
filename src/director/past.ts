// SPDX-License-Identifier: Apache-2.0
/**
 * What slots had counted before their present owners got them. The dataplane's counters only grow, because each has one
 * writer; a slot that changes hands therefore keeps the numbers of its former owner, and the reports take them off.
 */
import type { Counters, ServerCounters, ServiceCounters } from '../dataplane/dataplane.js';
import { signalsSince } from '../dataplane/signals.js';
import type { Slots } from './slots.js';

export interface SlotPast {
  readonly servers: ReadonlyMap<number, ServerCounters>;
  readonly services: ReadonlyMap<number, ServiceCounters>;
}

export const noSlotPast: SlotPast = { servers: new Map(), services: new Map() };

/** `before`, and what the slots that were just taken over have counted by now. */
export function pastOf(before: SlotPast, servers: Slots, services: Slots, counters: Counters): SlotPast {
  return {
    servers: withTakenOver(before.servers, servers, counters.servers),
    services: withTakenOver(before.services, services, counters.services),
  };
}

function withTakenOver<Counted extends { readonly slot: number }>(
  before: ReadonlyMap<number, Counted>,
  { takenOver }: Slots,
  counted: readonly Counted[],
): ReadonlyMap<number, Counted> {
  const taken = new Set(takenOver);
  const now = counted.filter(({ slot }) => taken.has(slot)).map((it) => [it.slot, it] as const);
  return now.length === 0 ? before : new Map([...before, ...now]);
}

/** Counters as if the slot had begun with its present owner. Levels, such as active connections, are as they are. */
export function serverSince(now: ServerCounters, then: ServerCounters | undefined): ServerCounters {
  if (then === undefined) return now;
  return {
    ...now,
    connections: now.connections - then.connections,
    inPackets: now.inPackets - then.inPackets,
    inBytes: now.inBytes - then.inBytes,
    outPackets: now.outPackets - then.outPackets,
    outBytes: now.outBytes - then.outBytes,
    signals: signalsSince(now.signals, then.signals),
  };
}

export function serviceSince(now: ServiceCounters, then: ServiceCounters | undefined): ServiceCounters {
  if (then === undefined) return now;
  return {
    ...now,
    connections: now.connections - then.connections,
    scheduleFailures: now.scheduleFailures - then.scheduleFailures,
  };
}
