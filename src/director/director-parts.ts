// SPDX-License-Identifier: Apache-2.0
/** What a director is put together from: its dataplane, and what of the machine it looks at and changes. */
import type { Dataplane, DeviceFacts } from '../dataplane/dataplane.js';
import { limitsFor, MemoryDataplane, TunDataplane } from '../dataplane/native.js';
import type { Clock } from '../health/clock.js';
import {
  availablePages,
  bystanderNotices,
  everySecond,
  hostWatchMs,
  lookAtWays,
  prepareHost,
  realSystem,
  type Hear,
  type HostLog,
} from '../host/index.js';
import type { Model } from '../model/index.js';
import type { MakeMonitor } from './caretaker.js';
import type { MemoryWatch } from './defence.js';
import { tunOptions, type MemoryDirectorOptions, type TunDirectorOptions } from './director-options.js';
import { healthChecks } from './health-checks.js';
import { slotsNeeded } from './slots.js';
import { waysLookMs, type LookAtWays } from './ways.js';

/**
 * What src/host gives: the routes, rules and neighbours of the running model.
 * @internal
 */
export interface HostPlumbing {
  /** Also puts back what others have removed, so it is called on every reload. */
  update(model: Model): Promise<void>;
  /** Why packets may not find their way, or null. */
  trouble(): string | null;
  close(): Promise<void>;
}

/** @internal */
export interface DirectorParts<D extends Dataplane> {
  readonly dataplane: D;
  /** Called once the snapshot is published and the dataplane moves packets. */
  readonly prepareHost?: (model: Model, facts: DeviceFacts) => Promise<HostPlumbing>;
  /** Starts the dataplane's threads, where it has any. */
  readonly start?: (dataplane: D) => void;
  /** What the automatic modes of the defences look at; without it memory counts as plenty. */
  readonly memory?: MemoryWatch;
  /** Finds what keeps packets from the ways past the kernel's routing; without it the kernel routes them. */
  readonly ways?: LookAtWays;
  /** Tells when to find it out again; without it that is every few seconds. */
  readonly hearOfWays?: Hear;
  /** Makes what checks the servers, and calls `onChange` with what it finds; without it all of them count as up. */
  readonly health?: MakeMonitor;
  readonly clock?: Clock;
}

/**
 * The memory of this machine, looked at every second.
 * @internal
 */
export const hostMemory: MemoryWatch = { availablePages: () => availablePages(realSystem), everySecond };

/**
 * What this machine's kernel tells of changes that make a difference between the ways.
 * @internal
 */
export const hearOfWays: Hear = bystanderNotices(realSystem, waysLookMs);

/** A TUN device, opened, and this machine. */
export const partsOverTun = (
  model: Model,
  log: HostLog,
  health: TunDirectorOptions['health'],
): DirectorParts<TunDataplane> => ({
  dataplane: new TunDataplane(tunOptions(model)),
  start: (dataplane) => dataplane.start(),
  prepareHost: (running, facts) => prepareHost(running, facts, { log, watchMs: hostWatchMs }),
  memory: hostMemory,
  ways: () => lookAtWays(realSystem, model.tun.name),
  hearOfWays,
  ...(health === 'on' && { health: healthChecks(log) }),
});

/** No device, and no machine around it. */
export const memoryDataplane = (
  model: Model,
  options: Pick<MemoryDirectorOptions, 'queues' | 'hashKey'>,
): MemoryDataplane =>
  new MemoryDataplane({ ...options, flowCapacity: model.flows.capacity }, limitsFor(slotsNeeded(model)));
