// SPDX-License-Identifier: Apache-2.0
/**
 * lblc, locality-based least connection: a VIP stays with one server until that is overloaded, then wlc finds it
 * another (ip_vs_lblc.c). The memory of who serves which VIP is the dataplane's, as each connection may change it.
 */
import { kernelLoad, usableInOrder } from './load.js';
import type { Scheduler } from './scheduler.js';

/** The kernel's default for lblc_expiration and lblcr_expiration: a day. */
export const forgetSeconds = 86_400;

export const lblc: Scheduler = {
  name: 'lblc',
  plan: (servers) => ({
    kind: 'local',
    replicate: false,
    ...kernelLoad,
    forgetSeconds,
    order: usableInOrder(servers),
  }),
};
