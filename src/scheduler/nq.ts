// SPDX-License-Identifier: Apache-2.0
/**
 * nq, never queue: a server without active connections gets the next one, however slow it is; only when all are busy
 * is it sed (ip_vs_nq.c). With UDP, never active, the newest server gets everything.
 */
import { usableInOrder } from './load.js';
import type { Scheduler } from './scheduler.js';
import { expectedDelay } from './sed.js';

export const nq: Scheduler = {
  name: 'nq',
  plan: (servers) => ({
    kind: 'least',
    among: 'idle-first',
    ...expectedDelay,
    order: usableInOrder(servers),
  }),
};
