// SPDX-License-Identifier: Apache-2.0
/**
 * ovf, overflow: as fo, but a server whose active connections exceed its weight is passed over, so the next one gets
 * the overflow (ip_vs_ovf.c). A weight of n therefore takes n + 1 connections; when all are full there is none.
 */
import { byWeight } from './fo.js';
import type { Scheduler } from './scheduler.js';

export const ovf: Scheduler = {
  name: 'ovf',
  plan: (servers) => ({ kind: 'first', overflow: true, order: byWeight(servers) }),
};
