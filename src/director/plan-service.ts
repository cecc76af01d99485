// SPDX-License-Identifier: Apache-2.0
/**
 * One service's plan, from what it was to what it is now. Nothing is planned anew while nothing a scheduler looks at has
 * changed; then a cycle goes on where it is.
 */
import {
  serverId,
  type Past,
  type Plan,
  type RealServer,
  type SchedulerServer,
  type VirtualService,
} from '../model/index.js';
import { leftOut, schedulerFor, withLastWeights } from '../scheduler/index.js';
import { planCustom, type CustomQuestion, type CustomState } from './custom-plan.js';
import { isDeepEqual, sameServers } from './reuse.js';

/** A service as it is to be published. */
export interface CompilableService extends VirtualService {
  readonly servers: readonly (RealServer & { readonly withdrawn?: boolean })[];
}

/** A service's plan as the scheduler made it. */
export interface Planned {
  readonly service: CompilableService;
  readonly servers: readonly SchedulerServer[];
  readonly plan: Plan;
  /** It was in use before, and the connections meanwhile go on taking steps of it. */
  readonly continues: boolean;
  /** Of a custom scheduler. */
  readonly custom: CustomState | null;
}

/** What planning asks of the dataplane, each only when somebody wants to know. */
export interface Asking {
  readonly cursor: () => number;
  readonly counted: (servers: readonly SchedulerServer[]) => CustomQuestion['counted'];
  readonly nowMs: number;
  /** The custom scheduler's time has come. */
  readonly isDue: boolean;
}

export function planService(
  service: CompilableService,
  before: Planned | undefined,
  asking: Asking,
): Planned {
  if (before === undefined || !sameScheduler(before.service.scheduler, service.scheduler))
    return planAfter(service, undefined, before?.custom, asking);
  if (!asking.isDue && sameInput(before.service, service)) return { ...before, service, continues: true };
  const past = { plan: before.plan, servers: before.servers, cursor: asking.cursor() };
  const planned = planAfter(service, past, before.custom, asking);
  const isSame = asking.isDue && isDeepEqual(planned.plan, before.plan);
  return isSame ? { ...planned, plan: before.plan, continues: true } : planned;
}

function planAfter(
  service: CompilableService,
  past: Past | undefined,
  custom: CustomState | null = null,
  { counted, nowMs }: Asking,
): Planned {
  const { scheduler: program, flags } = service;
  const servers = withLastWeights(service.servers, past?.servers);
  if (typeof program === 'string') {
    const plan = schedulerFor(program, flags).plan(servers, past);
    return { service, servers, plan, continues: false, custom: null };
  }
  const question = { service, program, servers, past, state: custom ?? undefined, nowMs };
  const { plan, state } = planCustom({ ...question, counted: counted(servers) });
  return { service, servers, plan, continues: false, custom: state };
}

/** The same code; options may have changed. */
const sameScheduler = (before: VirtualService['scheduler'], after: VirtualService['scheduler']): boolean =>
  typeof before === 'string' || typeof after === 'string'
    ? before === after
    : before.scheduler === after.scheduler;

const sameInput = (before: CompilableService, after: CompilableService): boolean =>
  before.flags.join() === after.flags.join() &&
  isDeepEqual(before.scheduler, after.scheduler) &&
  sameServers(before.servers, after.servers) &&
  before.servers.every(({ weight }, index) => weight === after.servers[index]?.weight);

/** Servers with a weight that a custom scheduler's plan never picks. */
export function leftOutOf(planned: Planned | undefined): readonly string[] {
  if (planned === undefined || planned.custom === null) return [];
  const { plan, servers } = planned;
  const weights = servers.map(({ weight }) => weight);
  return leftOut(plan, weights)
    .flatMap((index) => servers[index] ?? [])
    .map(serverId);
}
