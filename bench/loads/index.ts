// SPDX-License-Identifier: Apache-2.0
/** Every load, in the order of the tables: all of them over IPv4, the main ones over IPv6. */
import { bulkTcp } from './bulk-tcp.js';
import { bulkUdp, smallPackets } from './datagrams.js';
import { latency } from './latency.js';
import type { Load } from './load.js';
import { requests } from './requests.js';

export const loads: readonly Load[] = [
  bulkTcp({ streams: 1, isMain: true }),
  bulkTcp({ streams: 4 }),
  bulkTcp({ streams: 16 }),
  bulkUdp('USO'),
  bulkUdp('no USO'),
  smallPackets({ flows: 1 }),
  smallPackets({ flows: 1000, isMain: true }),
  smallPackets({ flows: 100_000 }),
  latency({ beside: 'idle' }),
  latency({ beside: 'beside bulk' }),
  requests({ mode: 'connect' }),
  requests({ mode: 'keepalive' }),
  bulkTcp({ streams: 4, family: 'v6' }),
  smallPackets({ flows: 1000, family: 'v6' }),
  latency({ beside: 'idle', family: 'v6' }),
  requests({ mode: 'connect', family: 'v6' }),
];
