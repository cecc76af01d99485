// SPDX-License-Identifier: Apache-2.0
/**
 * twos, the power of two choices: two servers drawn at random by weight, and of these the one with less load by weight
 * (ip_vs_twos.c). Nearly as even as wlc, without every director running to the same idle server at once.
 */
import { kernelLoad, usableInOrder } from './load.js';
import type { Scheduler } from './scheduler.js';

export const twos: Scheduler = {
  name: 'twos',
  plan: (servers) => ({
    kind: 'least',
    among: 'two',
    ...kernelLoad,
    constant: 0,
    weighted: true,
    order: usableInOrder(servers),
  }),
};
