// SPDX-License-Identifier: Apache-2.0
/** Everybody who is compared, in the order of the tables: the kernel, the bare loop, vsnat, the proxies. */
import type { Contender } from './contender.js';
import { floor } from './floor.js';
import { haproxy } from './haproxy.js';
import { nginx } from './nginx.js';
import { kernelDnat } from './nftables.js';
import { routing } from './routing.js';
import { vsnat } from './vsnat.js';

export const contenders: readonly Contender[] = [
  routing,
  kernelDnat,
  // Who is compared within rounds runs one after the other, so that the machine changes little in between.
  floor({ queues: 1, offload: 'on' }),
  vsnat({ queues: 1, way: 'route', io: 'poll' }),
  vsnat({ queues: 1, way: 'route' }),
  vsnat({ queues: 1, way: 'direct' }),
  vsnat({ queues: 1, way: 'shortcut' }),
  floor({ queues: 2, offload: 'on' }),
  vsnat({ queues: 2, way: 'route' }),
  vsnat({ queues: 2, way: 'direct' }),
  vsnat({ queues: 2, way: 'shortcut' }),
  floor({ queues: 1, offload: 'off' }),
  haproxy,
  nginx,
];
