// SPDX-License-Identifier: Apache-2.0
/**
 * rr, round robin: the usable server after the last one picked, weights aside (ip_vs_rr.c).
 *
 * The kernel's only state is a pointer to its last pick. The table holds the whole list, drained servers included
 * (the dataplane skips them), so that the pointer can be read back from the cursor whatever changed in between.
 */
import { kernelOrder, type Past, type Scheduler, type SchedulerServer } from './scheduler.js';
import { serverId } from '../model/service.js';

export const rr: Scheduler = {
  name: 'rr',
  plan(servers, past) {
    const list = kernelOrder(servers);
    const pointer = past === undefined ? headOfList : carriedPointer(servers, past);
    const lead = list.slice(pointer + 1);
    return { kind: 'cycle', lead: lead.length === list.length ? [] : lead, loop: list };
  },
};

/** The kernel's list head: "before the first". */
const headOfList = -1;

/** Where the last pick stands in the new list. If it was deleted the pointer fell back to its predecessor. */
function carriedPointer(servers: readonly SchedulerServer[], past: Past): number {
  const before = kernelOrder(past.servers).map((index) => past.servers[index]);
  const now = new Map(kernelOrder(servers).map((index, position) => [idOf(servers[index]), position]));
  for (let position = pointerOf(past); position >= 0; position -= 1) {
    const survivor = now.get(idOf(before[position]));
    if (survivor !== undefined) return survivor;
  }
  return headOfList;
}

/** Position of the last pick in the list `past` was made from; its loop is that list and its lead a tail of it. */
function pointerOf({ plan, servers, cursor }: Past): number {
  const length = servers.length;
  if (plan.kind !== 'cycle' || plan.loop.length !== length || length === 0) return headOfList;
  const lead = plan.lead.length;
  if (cursor <= lead) return lead === 0 ? headOfList : length - lead + cursor - 1;
  return (cursor - lead - 1) % length;
}

const idOf = (server: SchedulerServer | undefined): string => (server === undefined ? '' : serverId(server));
