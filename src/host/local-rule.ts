// SPDX-License-Identifier: Apache-2.0
/**
 * Moving the rule of table `local`, which decides before every other one what is this host's own. While one of the
 * host's own addresses is a VIP, our rules have to come first. The rule is never taken away: it gets a second place
 * behind ours, and only then loses its first; putting it back works the other way round. So no moment and no crash
 * leaves the host without it.
 */
import { movedLocalPreference } from './ownership.js';
import type { HostState } from './state.js';
import type { Action, IpVersion, SharedResource, Step } from './step.js';

export interface LocalRule {
  readonly preference: number;
  /** At its usual place or at ours; someone else's place already leaves room in front and is not touched. */
  readonly isMovable: boolean;
  readonly isMoved: boolean;
}

export function locateLocal(state: HostState, version: IpVersion): LocalRule {
  const places = state.rules
    .filter((r) => r.version === version && r.matchesAll && (r.table === 'local' || r.table === '255'))
    .map((r) => r.preference);
  // A host without the rule is beyond our care; 32766 (main) keeps the plan well-formed.
  const preference = Math.min(...places, 32766);
  return {
    preference,
    isMovable: preference === 0 || preference === movedLocalPreference,
    isMoved: preference === movedLocalPreference,
  };
}

// `protocol kernel` on the moved rule: systemd-networkd removes rules it does not know whenever it restarts, except
// those of the kernel, and this is the one rule no host can be without. Both are written as numbers (table local is
// 255, protocol kernel is 2): inside one batch, iproute2 6.1 takes a name it has seen for whatever number came last.
const localAt = (verb: 'add' | 'del', version: IpVersion, preference: number): Action => ({
  tool: 'ip',
  version,
  line: `rule ${verb} pref ${preference} lookup 255 protocol 2`,
});

const sharedLocal = (version: IpVersion): SharedResource => `local-rule-${version}`;

export const localBehind = (version: IpVersion, isMoved: boolean): Step => ({
  id: `rule${version} local behind`,
  why: 'table local gets a second place, behind the rules that follow',
  do: isMoved ? null : localAt('add', version, movedLocalPreference),
  undo: localAt('del', version, movedLocalPreference),
  shared: sharedLocal(version),
});

export const localNoLongerFirst = (version: IpVersion, isMoved: boolean): Step => ({
  id: `rule${version} local no longer first`,
  why: 'table local is left at its second place only, so that our rules come first',
  do: isMoved ? null : localAt('del', version, 0),
  undo: localAt('add', version, 0),
  shared: sharedLocal(version),
});

/** Puts `local` back after a crash, when no living director needs it moved. */
export const restoreLocal = (version: IpVersion): readonly Action[] => [
  localAt('add', version, 0),
  localAt('del', version, movedLocalPreference),
];
