// SPDX-License-Identifier: Apache-2.0
/**
 * From missing steps to the actions that put them back. Unlike a first set-up this does what it can: one object that
 * cannot be restored must not keep the others away, so the actions are run with force and judged by a second look.
 */
import { deleteTable } from './nft.js';
import { nftTableOf } from './ownership.js';
import type { HostDevice } from './plan-context.js';
import type { HostState } from './state.js';
import type { Action, Step } from './step.js';

/** `wanted` is a plan made after the loss: its actions fit the host as it is now. */
export function planRepair(
  missing: readonly Step[],
  wanted: readonly Step[],
  device: HostDevice,
  state: HostState,
): readonly Action[] {
  const again = new Set(missing.map(({ id }) => id));
  const actions: Action[] = [];

  // Rules of one preference are searched in the order they were added, and the one that lets pass what the director
  // itself writes has to stay the first, or packets circle: when it is gone, those behind it line up again.
  for (const version of [4, 6] as const) {
    const ahead = wanted.filter(({ id }) => id.startsWith(`rule${version} pref 0 `));
    const [first] = ahead;
    if (first === undefined || !again.has(first.id)) continue;
    for (const { id, undo } of ahead) {
      if (!again.has(id) && undo !== null) actions.push(undo);
      again.add(id);
    }
  }

  // Neighbouring nft lines are one transaction, so the damaged table and its successor change places at once.
  const table = nftTableOf(device.name);
  for (const step of wanted) {
    if (!again.has(step.id) || step.do === null) continue;
    if (step.id === `nft table ${table}` && state.nftTables?.includes(table) === true)
      actions.push({ tool: 'nft', line: deleteTable(table) });
    actions.push(step.do);
  }
  return actions;
}

const named = 5;

/** Steps as a person reads them. What goes with the nftables table is not listed one by one. */
export function describeSteps(steps: readonly Step[]): string {
  const ids = new Set(steps.map(({ id }) => id));
  const shown = steps.filter(({ within }) => within === undefined || !ids.has(within)).map(({ id }) => id);
  const more = shown.length - named;
  return shown.slice(0, named).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
