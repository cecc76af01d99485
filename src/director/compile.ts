// SPDX-License-Identifier: Apache-2.0
/**
 * From a model to what the dataplane swaps in: a slot for everything, a plan for every service. Pure: what is
 * kept from one compilation to the next is its own result, `Compiled`, so a publish that fails costs nothing.
 *
 * Work is done for the services that differ. One that is the very object it was is taken as unchanged, so a server that
 * goes down among a hundred thousand costs one plan and one service in the delta.
 *
 * A service nobody touched must not notice a reload of its neighbours: its plan `continues`, on the very counter of steps
 * it had. A plan made anew starts where the scheduler says, given the past. The few connections that arrive between reading
 * that counter and the swap take their steps twice; a fence would have to stop the packet path for it.
 */
import type {
  Counters,
  Dataplane,
  ServerSpec,
  ServiceSpec,
  SnapshotDelta,
  SnapshotSettings,
  SnapshotSpec,
} from '../dataplane/dataplane.js';
import type { Model, Sysctls, VirtualService } from '../model/index.js';
import { checkSources, schedulerNameOf, serverId } from '../model/index.js';
import { countersBySlot } from './custom-plan.js';
import { once } from './once.js';
import { atOnce } from '../pace.js';
import { policyOf, withExpiration } from './policy.js';
import { noSlotPast, pastOf, type SlotPast } from './past.js';
import type { PlacedService } from './report.js';
import { planService, type Asking, type CompilableService, type Planned } from './plan-service.js';
import { sameServers } from './reuse.js';
import { assignSlots, noSlots, type Slots } from './slots.js';

export interface Compilable {
  readonly services: readonly CompilableService[];
  readonly ipvs: Model['ipvs'];
  /** Addresses of services that have left and still have connections. */
  readonly lingeringVips?: readonly string[];
}

interface CompiledService {
  readonly planned: Planned;
  readonly spec: ServiceSpec;
  readonly placed: PlacedService;
}

export interface Compiled {
  readonly ipvs: Model['ipvs'] | null;
  /** By name, in the order of the configuration. */
  readonly services: ReadonlyMap<string, CompiledService>;
  readonly serviceSlots: Slots;
  readonly serverSlots: Slots;
  readonly past: SlotPast;
  readonly checkSources: readonly string[];
}

export interface Compilation {
  readonly compiled: Compiled;
  /** What separates it from what was compiled before. */
  readonly delta: SnapshotDelta;
}

export const nothingCompiled: Compiled = {
  ipvs: null,
  services: new Map(),
  serviceSlots: noSlots,
  serverSlots: noSlots,
  past: noSlotPast,
  checkSources: [],
};

/** What of the dataplane a compilation asks. All counters are dear, so they are read only when slots run short. */
export type CompileFacts = Pick<Dataplane, 'counters' | 'cursor' | 'limits'>;

/** When it is, for schedulers that care. */
export interface Occasion {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Services whose custom scheduler is to plan again though nothing has changed. */
  readonly due: ReadonlySet<string>;
}

const noOccasion: Occasion = { nowMs: 0, due: new Set() };

export function compile(
  model: Compilable,
  before: Compiled,
  facts: CompileFacts,
  occasion: Occasion = noOccasion,
): Compilation {
  return atOnce(compiling(model, before, facts, occasion));
}

/** The same in steps. */
export function* compiling(
  model: Compilable,
  before: Compiled,
  facts: CompileFacts,
  { nowMs, due }: Occasion,
): Generator<void, Compilation, undefined> {
  const counters = once(() => facts.counters());
  const countedAt = countersBySlot(counters);
  const { serverSlots, serviceSlots } = slotsFor(model.services, before, facts, counters);
  let nextServer = 0;
  const remembersAsBefore = before.ipvs !== null && sameMemory(before.ipvs.sysctls, model.ipvs.sysctls);
  const services = new Map<string, CompiledService>();
  const changed: ServiceSpec[] = [];
  for (const service of model.services) {
    const old = before.services.get(service.name);
    const firstServer = nextServer;
    nextServer += service.servers.length;
    const isDue = due.has(service.name);
    if (
      !isDue &&
      old?.planned.service === service &&
      (old.planned.plan.kind !== 'local' || remembersAsBefore)
    ) {
      services.set(service.name, old);
      continue;
    }
    const slots = serverSlotsOf(service, serverSlots, firstServer, old);
    const cursor = once(() => facts.cursor(before.serviceSlots.live.get(service.name) ?? -1));
    const counted: Asking['counted'] = (servers) => servers.map((_, index) => countedAt(at(slots, index)));
    const planned = planService(service, old?.planned, { cursor, counted, nowMs, isDue });
    if (isDue && old?.planned.service === service && old.planned.plan === planned.plan) {
      services.set(service.name, { ...old, planned });
      continue;
    }
    const spec = specOf(planned, slotOf(serviceSlots, service.name), slots, model.ipvs.sysctls);
    services.set(service.name, { planned, spec, placed: placeOf(service, spec) });
    changed.push(spec);
    yield;
  }
  const slots = new Set(serviceSlots.live.values());
  const removed = [...before.services].flatMap(([name, { spec }]) =>
    services.has(name) || slots.has(spec.slot) ? [] : [spec.slot],
  );
  const sources = checkSources(model.services);
  const isTakenOver = serverSlots.takenOver.length + serviceSlots.takenOver.length > 0;
  return {
    compiled: {
      ipvs: model.ipvs,
      services,
      serviceSlots,
      serverSlots,
      checkSources: sources,
      past: isTakenOver ? pastOf(before.past, serverSlots, serviceSlots, counters()) : before.past,
    },
    delta: {
      ...settingsOf(model.ipvs, sources),
      services: changed,
      removed,
      ...(model.lingeringVips !== undefined && { lingeringVips: model.lingeringVips }),
    },
  };
}

/** All of it, for a dataplane that has nothing yet. */
export const snapshotOf = ({ ipvs, services, checkSources: sources }: Compiled): SnapshotSpec => ({
  ...(ipvs === null ? { removedServer: 'reset' } : settingsOf(ipvs, sources)),
  services: [...services.values()].map(({ spec }) => spec),
});

const settingsOf = (ipvs: Model['ipvs'], sources: readonly string[]): SnapshotSettings => ({
  removedServer: ipvs.removedServers,
  onePacketReplies: ipvs.onePacketReplies,
  expireQuiescentTemplate: ipvs.sysctls.expire_quiescent_template === 1,
  policy: policyOf(ipvs),
  ...(sources.length > 0 && { checkSources: sources }),
});

const sameMemory = (a: Sysctls, b: Sysctls): boolean =>
  a.lblc_expiration === b.lblc_expiration && a.lblcr_expiration === b.lblcr_expiration;

interface BothSlots {
  readonly serverSlots: Slots;
  readonly serviceSlots: Slots;
}

function slotsFor(
  services: readonly CompilableService[],
  before: Compiled,
  { limits }: CompileFacts,
  counters: () => Counters,
): BothSlots {
  if (hasSameMembers(services, before.services)) {
    return {
      serverSlots: { ...before.serverSlots, takenOver: [], assigned: [] },
      serviceSlots: { ...before.serviceSlots, takenOver: [], assigned: [] },
    };
  }
  const busy = once(
    () =>
      new Set(
        counters()
          .servers.filter((it) => it.active + it.inactive + it.persistent > 0)
          .map((it) => it.slot),
      ),
  );
  const busyServices = once(() => servicesOf(before, busy()));
  return {
    serverSlots: assignSlots(before.serverSlots, services.flatMap(serverKeys), {
      what: 'server',
      limit: limits.serverSlots,
      idle: (slot) => !busy().has(slot),
    }),
    serviceSlots: assignSlots(
      before.serviceSlots,
      services.map((service) => service.name),
      { what: 'service', limit: limits.serviceSlots, idle: (slot) => !busyServices().has(slot) },
    ),
  };
}

/** Whether there are the same services with the same servers: then nobody needs another slot. */
const hasSameMembers = (services: readonly CompilableService[], before: Compiled['services']): boolean =>
  services.length === before.size &&
  services.every((service) => {
    const old = before.get(service.name)?.planned.service;
    return old === service || (old !== undefined && sameServers(old.servers, service.servers));
  });

/** Of a service's servers, the first of which is the one at `begin`; where nobody was given another slot, those it had. */
const serverSlotsOf = (
  { servers }: CompilableService,
  { assigned }: Slots,
  begin: number,
  old: CompiledService | undefined,
): readonly number[] =>
  assigned.length > 0
    ? assigned.slice(begin, begin + servers.length)
    : (old?.spec.servers ?? []).map(({ slot }) => slot);

function specOf(
  { service, plan, continues }: Planned,
  slot: number,
  serverSlots: readonly number[],
  sysctls: Sysctls,
): ServiceSpec {
  return {
    slot,
    listen: service.listen.map(({ protocol, address, port }) => ({ protocol, address, port })),
    servers: service.servers.map((server, index): ServerSpec => {
      const { address, port, weight, upperThreshold, lowerThreshold } = server;
      const spec = { slot: at(serverSlots, index), address, port, weight, upperThreshold, lowerThreshold };
      return server.withdrawn === true ? { ...spec, withdrawn: true } : spec;
    }),
    plan: withExpiration(plan, sysctls),
    ...(continues && plan.kind === 'cycle' && { continues }),
    timeouts: service.timeouts,
    ...(service.persistence === null ? {} : { persistence: service.persistence }),
    ...(service.mark === null ? {} : { mark: service.mark }),
    ...(service.onePacket ? { onePacket: true } : {}),
    ...(service.helper === 'ftp' && { helper: service.helper }),
  };
}

function placeOf(service: CompilableService, spec: ServiceSpec): PlacedService {
  const { name, persistence, mark, onePacket, servers } = service;
  return {
    service: name,
    slot: spec.slot,
    listen: spec.listen,
    scheduler: schedulerNameOf(service),
    persistence,
    mark,
    onePacket,
    servers: servers.map((server, index) => ({
      server: serverId(server),
      slot: spec.servers[index]?.slot ?? -1,
      weight: server.weight,
    })),
  };
}

/** Slots of the services, present and past, that have a server with live flows. */
function servicesOf({ serverSlots, serviceSlots }: Compiled, busy: ReadonlySet<number>): ReadonlySet<number> {
  const names = new Set(
    [...serverSlots.live, ...serverSlots.retired]
      .filter(([, slot]) => busy.has(slot))
      .map(([key]) => key.slice(0, key.indexOf(keySeparator))),
  );
  return new Set(
    [...serviceSlots.live, ...serviceSlots.retired]
      .filter(([name]) => names.has(name))
      .map(([, slot]) => slot),
  );
}

/** Stands in no name and in no address. */
const keySeparator = '\n';

export const serverKey = (service: VirtualService, id: string): string =>
  `${service.name}${keySeparator}${id}`;

const serverKeys = (service: VirtualService): string[] =>
  service.servers.map((server) => serverKey(service, serverId(server)));

function slotOf(slots: Slots, key: string): number {
  const slot = slots.live.get(key);
  if (slot === undefined) throw new Error(`slot of ${key} was not assigned`); // assignSlots covers every key
  return slot;
}

function at(slots: readonly number[], index: number): number {
  const slot = slots[index];
  if (slot === undefined) throw new Error(`slot of server ${index} was not assigned`); // as above
  return slot;
}
