// SPDX-License-Identifier: Apache-2.0
/** The schedulers by name. */
import type { SchedulerFlag, SchedulerName } from '../model/service.js';
import { lc } from './lc.js';
import { defaultMaglevIndex, maglevSizes, mh } from './mh.js';
import { rr } from './rr.js';
import type { Scheduler } from './scheduler.js';
import { sh } from './sh.js';
import { wlc } from './wlc.js';
import { wrr } from './wrr.js';

export { withLastWeights, type Past, type Scheduler, type SchedulerServer } from './scheduler.js';

type Factory = (flags: readonly SchedulerFlag[]) => Scheduler;

const factories: Readonly<Record<SchedulerName, Factory>> = {
  rr: () => rr,
  wrr: () => wrr,
  lc: () => lc,
  wlc: () => wlc,
  sh: (flags) => sh(flags.includes('sh-port'), flags.includes('sh-fallback')),
  mh: (flags) => mh(flags.includes('mh-port'), flags.includes('mh-fallback')),
};

export const schedulerNames = Object.keys(factories) as readonly SchedulerName[];

export const schedulerFlags: readonly SchedulerFlag[] = ['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback'];

/** A server beyond these would own no slot. */
export const mostServersOfMh = maglevSizes[defaultMaglevIndex];

/** Flags of another scheduler have no effect; the configuration refuses them. */
export function schedulerFor(name: SchedulerName, flags: readonly SchedulerFlag[] = []): Scheduler {
  return factories[name](flags);
}
