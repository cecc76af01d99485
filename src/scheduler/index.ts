// SPDX-License-Identifier: Apache-2.0
/** The schedulers by name. */
import type { SchedulerFlag, SchedulerName } from '../model/service.js';
import { dh } from './dh.js';
import { fo } from './fo.js';
import { lblc } from './lblc.js';
import { lblcr } from './lblcr.js';
import { lc } from './lc.js';
import { defaultMaglevIndex, maglevSizes, mh } from './mh.js';
import { nq } from './nq.js';
import { ovf } from './ovf.js';
import { rr } from './rr.js';
import type { Scheduler } from './scheduler.js';
import { sed } from './sed.js';
import { sh } from './sh.js';
import { twos } from './twos.js';
import { wlc } from './wlc.js';
import { wrr } from './wrr.js';

export { carryPlan, servesAnybody } from './carry-plan.js';
export { leftOut, planProblem } from './check-plan.js';
export { withLastWeights, type Past, type Scheduler, type SchedulerServer } from './scheduler.js';
export { shippedNames, shippedProgram, shippedScheduler, type ShippedName } from './shipped.js';

type Factory = (flags: readonly SchedulerFlag[]) => Scheduler;

const factories: Readonly<Record<SchedulerName, Factory>> = {
  rr: () => rr,
  wrr: () => wrr,
  lc: () => lc,
  wlc: () => wlc,
  fo: () => fo,
  ovf: () => ovf,
  lblc: () => lblc,
  lblcr: () => lblcr,
  dh: () => dh,
  sh: (flags) => sh(flags.includes('sh-port'), flags.includes('sh-fallback')),
  mh: (flags) => mh(flags.includes('mh-port'), flags.includes('mh-fallback')),
  sed: () => sed,
  nq: () => nq,
  twos: () => twos,
};

export const schedulerNames = Object.keys(factories) as readonly SchedulerName[];

export const isSchedulerName = (text: string): text is SchedulerName => Object.hasOwn(factories, text);

export const schedulerFlags: readonly SchedulerFlag[] = ['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback'];

/** A server beyond these would own no slot. */
export const mostServersOfMh = maglevSizes[defaultMaglevIndex];

/** Flags of another scheduler have no effect; the configuration refuses them. */
export function schedulerFor(name: SchedulerName, flags: readonly SchedulerFlag[] = []): Scheduler {
  return factories[name](flags);
}
