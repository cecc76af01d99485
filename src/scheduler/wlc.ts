// SPDX-License-Identifier: Apache-2.0
/** wlc, weighted least connection: the usable server with the least load by weight (ip_vs_wlc.c). The default. */
import { kernelLoad, usableInOrder } from './load.js';
import type { Scheduler } from './scheduler.js';

export const wlc: Scheduler = {
  name: 'wlc',
  plan: (servers) => ({
    kind: 'least',
    among: 'all',
    constant: 0,
    ...kernelLoad,
    weighted: true,
    order: usableInOrder(servers),
  }),
};
