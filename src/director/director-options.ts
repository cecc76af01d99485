// SPDX-License-Identifier: Apache-2.0
/** What a director is told when it is made, by a program or by the daemon, and the parts that such words come to. */
import { availableParallelism } from 'node:os';

import { parseConfig } from '../config/index.js';
import type { TunOptions } from '../dataplane/dataplane.js';
import { limitsFor } from '../dataplane/native.js';
import type { Clock } from '../health/clock.js';
import type { HostLog } from '../host/index.js';
import type { Model } from '../model/index.js';
import { slotsNeeded } from './slots.js';

/**
 * A configuration: its YAML text, a Model as loadConfig() gives it, or some parts of one, such as
 * `{ services: [virtualService({ ... })] }`. Parts that are left out have their defaults at the start, and stay as they
 * are on a change.
 */
export type Configuration = string | Partial<Model>;

/** Of Director.tun(). */
export interface TunDirectorOptions {
  /** Where warnings about the host go; silent when absent. */
  readonly log?: HostLog;
  /** `off`: the services' checks are not made, and all servers count as up. `on` when left out. */
  readonly health?: 'on' | 'off';
}

/** Of Director.memory(). */
export interface MemoryDirectorOptions {
  /** Queues that packets may arrive on; 1 when left out. */
  readonly queues?: number;
  /** 16 bytes for the keyed hashes. Given, dice fall the same way each time; random when left out. */
  readonly hashKey?: Uint8Array;
  /** What slow starts, drains and custom schedulers go by; the machine's when left out. Packets carry their own time. */
  readonly clock?: Clock;
  /**
   * `on`: the services' checks are made, from this process's sockets and by the machine's clock. `off` when left out: all
   * servers count as up.
   */
  readonly health?: 'on' | 'off';
  /** Where warnings about checks go; silent when absent. */
  readonly log?: HostLog;
}

export function modelOf(configuration: Configuration, running?: Model): Model {
  if (typeof configuration === 'string') return parseConfig(configuration).model;
  return { ...(running ?? parseConfig('services: []').model), ...configuration };
}

/** The kernel attaches at most 256 queues to one device. */
const maxQueues = 256;

export function tunOptions(model: Model, cpus: number = availableParallelism()): TunOptions {
  const { tun, flows } = model;
  return {
    name: tun.name,
    queues: tun.queues === 'auto' ? Math.min(cpus, maxQueues) : tun.queues,
    offload: tun.offload,
    flowCapacity: flows.capacity,
    steering: tun.steering,
    ingress: tun.ingress !== 'route',
    egress: tun.egress !== 'route',
    shortcuts: tun.shortcut !== 'off',
    io: tun.io,
    limits: limitsFor(slotsNeeded(model)),
  };
}

export const silent: HostLog = { info: () => undefined, warn: () => undefined };
