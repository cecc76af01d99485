// SPDX-License-Identifier: Apache-2.0
/**
 * May checks through a VIP come from there? Not from an address of this host itself: what a server answers would be
 * delivered here before the director has translated it. That is so on a reload as well.
 */
import type { CheckDraft } from './draft/health.js';
import type { ServiceDraft } from './draft/service.js';
import { show } from './problem.js';
import type { HostNetwork, Remark } from './reach.js';

/** What there is to say of checks `through: vip` whose source is the host's own. */
export function* checkSourceComplaints(
  services: readonly ServiceDraft[],
  { addresses = [] }: HostNetwork,
): Generator<Remark> {
  const own = new Set(addresses);
  const checks = new Set<CheckDraft>(services.flatMap(({ health }) => health));
  for (const { at, check } of checks) {
    if (check?.through !== 'vip' || check.source === null || !own.has(check.source)) continue;
    yield {
      at: at.get('source'),
      complaint: {
        must: 'be no address of this host with through: vip',
        got: show(check.source),
        hint: "servers' answers would reach this host past the director; choose an address that no host has",
      },
    };
  }
}
