// SPDX-License-Identifier: Apache-2.0
/**
 * dh, destination hashing: a VIP always meets the same server (ip_vs_dh.c). 256 buckets are dealt out along the list,
 * one each; weights only say who is usable, and there is no second choice.
 */
import { kernelOrder, type Scheduler } from './scheduler.js';
import { bucketCount } from './sh.js';

export const dh: Scheduler = {
  name: 'dh',
  plan(servers) {
    const list = kernelOrder(servers);
    const slots = Array.from({ length: bucketCount }, (_, bucket) => list[bucket % list.length] ?? -1);
    return { kind: 'hash', function: 'golden', on: 'destination', usePort: false, fallback: false, slots };
  },
};
