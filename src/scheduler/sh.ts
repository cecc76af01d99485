// SPDX-License-Identifier: Apache-2.0
/**
 * sh, source hashing: a client address always meets the same server while the list and its weights stay as they are
 * (ip_vs_sh.c). 256 buckets are dealt out along the list, `weight` neighbouring ones at a time. As in the kernel a
 * drained server still gets one at a time, and its clients are refused unless sh-fallback is set.
 */
import type { ServerIndex } from '../model/plan.js';
import { kernelOrder, type Scheduler, type SchedulerServer } from './scheduler.js';

/** CONFIG_IP_VS_SH_TAB_BITS = 8, the kernel's default; CONFIG_IP_VS_DH_TAB_BITS likewise. */
export const bucketCount = 256;

export const sh = (usePort: boolean, fallback: boolean): Scheduler => ({
  name: 'sh',
  plan: (servers) => ({
    kind: 'hash',
    function: 'golden',
    on: 'source',
    usePort,
    fallback,
    slots: dealBuckets(servers),
  }),
});

function dealBuckets(servers: readonly SchedulerServer[]): ServerIndex[] {
  if (servers.length === 0) return Array<ServerIndex>(bucketCount).fill(-1);
  const list = kernelOrder(servers);
  const buckets: ServerIndex[] = [];
  for (let turn = 0; buckets.length < bucketCount; turn += 1) {
    const index = list[turn % list.length] ?? 0;
    const share = Math.max(servers[index]?.weight ?? 0, 1);
    for (let taken = 0; taken < share && buckets.length < bucketCount; taken += 1) buckets.push(index);
  }
  return buckets;
}
