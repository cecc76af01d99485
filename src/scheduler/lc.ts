// SPDX-License-Identifier: Apache-2.0
/** lc, least connection: the usable server with the least load; weights only say who is usable (ip_vs_lc.c). */
import { kernelLoad, usableInOrder } from './load.js';
import type { Scheduler } from './scheduler.js';

export const lc: Scheduler = {
  name: 'lc',
  plan: (servers) => ({
    kind: 'least',
    among: 'all',
    constant: 0,
    ...kernelLoad,
    weighted: false,
    order: usableInOrder(servers),
  }),
};
