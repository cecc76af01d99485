// SPDX-License-Identifier: Apache-2.0
/**
 * sed, shortest expected delay: the least (active + 1) / weight, the load as it would be with this connection
 * (ip_vs_sed.c). UDP connections are never active, so with UDP the greatest weight gets them all.
 */
import { usableInOrder } from './load.js';
import type { Scheduler } from './scheduler.js';

/** Inactive connections cost nothing: they are not expected to delay anybody. */
export const expectedDelay = { activeCost: 1, inactiveCost: 0, constant: 1, weighted: true } as const;

export const sed: Scheduler = {
  name: 'sed',
  plan: (servers) => ({ kind: 'least', among: 'all', ...expectedDelay, order: usableInOrder(servers) }),
};
