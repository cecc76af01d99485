// SPDX-License-Identifier: Apache-2.0
/**
 * What a crashed director left behind, and how to remove it. The kernel removes the TUN device with its routes when
 * the process dies; rules, proxy neighbours and the nftables table outlive it. An object is a leftover when it is
 * marked as vsnat's and either names our own device, which nobody but us holds, or belongs to a device that is gone.
 * The objects of other living directors on the host are left alone.
 */
import { deleteTable } from './nft.js';
import {
  ifindexOf,
  movedLocalPreference,
  nftTableOf,
  protocolArgument,
  protocolNumber,
} from './ownership.js';
import { restoreLocal } from './local-rule.js';
import type { HostDevice } from './plan-context.js';
import type { HostState, RuleState } from './state.js';
import { versionOf, type Action, type IpVersion, type SharedResource } from './step.js';

const isOwnedRule = (rule: RuleState): boolean => rule.protocol === String(protocolNumber);

/** Rules of directors other than the one behind `device` whose own device still lives. */
function rulesOfOthers(device: HostDevice, state: HostState): readonly RuleState[] {
  const living = state.links.filter((link) => link.isTun && link.name !== device.name);
  const indexes = new Set(living.map((link) => link.index));
  const names = new Set(living.map((link) => link.name));
  return state.rules.filter((rule) => {
    if (!isOwnedRule(rule)) return false;
    if (rule.incoming !== null) return names.has(rule.incoming);
    const index = ifindexOf(Number(rule.table));
    return index !== null && indexes.has(index);
  });
}

const versions: readonly IpVersion[] = [4, 6];

export function planCleanup(device: HostDevice, state: HostState): readonly Action[] {
  const others = rulesOfOthers(device, state);
  const actions: Action[] = [];

  for (const version of versions) {
    const rules = state.rules.filter((rule) => rule.version === version);
    // `local` first: the rules that stand before it may go in any order once it is back in its place.
    const hasFirstLocal = rules.some((r) => r.matchesAll && r.table === 'local' && r.preference === 0);
    const hasMovedLocal = rules.some(
      (r) => r.matchesAll && r.table === 'local' && r.preference === movedLocalPreference,
    );
    const isNeeded = others.some((rule) => rule.version === version && rule.preference === 0);
    if (hasMovedLocal && !isNeeded) actions.push(...restoreLocal(version).slice(hasFirstLocal ? 1 : 0));

    for (const rule of rules.filter((r) => isOwnedRule(r) && !others.includes(r))) {
      const incoming = rule.incoming === null ? '' : ` iif ${rule.incoming}`;
      const table = rule.table === null ? '' : ` lookup ${rule.table}`;
      const line = `rule del pref ${rule.preference}${incoming}${table} ${protocolArgument}`;
      actions.push({ tool: 'ip', version, line });
    }
  }

  const isOurs = (name: string): boolean => name === device.name;
  for (const { version, destination } of state.ownedRoutes.filter((route) => isOurs(route.interface)))
    actions.push({
      tool: 'ip',
      version,
      line: `route del ${destination} dev ${device.name} ${protocolArgument}`,
    });

  // A living director's proxy neighbour always has its route: the route is made before it and removed after it.
  const routed = new Set(state.ownedRoutes.filter((r) => !isOurs(r.interface)).map((r) => r.destination));
  for (const proxy of state.proxies.filter((p) => p.isOwned && !routed.has(p.address)))
    actions.push({
      tool: 'ip',
      version: versionOf(proxy.address),
      line: `neigh del proxy ${proxy.address} dev ${proxy.interface}`,
    });

  const table = nftTableOf(device.name);
  if (state.nftTables?.includes(table) === true) actions.push({ tool: 'nft', line: deleteTable(table) });
  return actions;
}

/** What must stay when the director behind `device` leaves, because another one on this host still needs it. */
export function neededByOthers(device: HostDevice, state: HostState): ReadonlySet<SharedResource> {
  const needed = new Set<SharedResource>();
  for (const rule of rulesOfOthers(device, state))
    if (rule.preference === 0) needed.add(`local-rule-${rule.version}`);
  const theirs = new Set(
    state.ownedRoutes.filter((r) => r.interface !== device.name).map((r) => r.destination),
  );
  for (const proxy of state.proxies)
    if (proxy.isOwned && versionOf(proxy.address) === 6 && theirs.has(proxy.address))
      needed.add(`proxy-ndp-${proxy.interface}`);
  return needed;
}
