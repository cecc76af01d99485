// SPDX-License-Identifier: Apache-2.0
/**
 * lblcr, locality-based least connection with replication: as lblc, but a VIP whose servers are overloaded gets one
 * more of them and keeps the others (ip_vs_lblcr.c).
 */
import { forgetSeconds } from './lblc.js';
import { kernelLoad, usableInOrder } from './load.js';
import type { Scheduler } from './scheduler.js';

export const lblcr: Scheduler = {
  name: 'lblcr',
  plan: (servers) => ({
    kind: 'local',
    replicate: true,
    ...kernelLoad,
    forgetSeconds,
    order: usableInOrder(servers),
  }),
};
