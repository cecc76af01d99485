// SPDX-License-Identifier: Apache-2.0
/**
 * From a model to the snapshot the dataplane swaps in: a slot for everything, a plan for every service. Pure: what is
 * kept from one compilation to the next is its own result, `Compiled`, so a publish that fails costs nothing.
 *
 * A service nobody touched must not notice a reload of its neighbours: its plan `continues`, on the very counter of steps
 * it had. A plan made anew starts where the scheduler says, given the past. The few connections that arrive between reading
 * that counter and the swap take their steps twice; a fence would have to stop the packet path for it.
 */
import type { Counters, Limits, ServiceSpec, SnapshotSpec } from '../dataplane/dataplane.js';
import type { Model, Plan, Sysctls, VirtualService } from '../model/index.js';
import { noLoad, schedulerNameOf, serverId } from '../model/index.js';
import { schedulerFor, withLastWeights, type Past, type SchedulerServer } from '../scheduler/index.js';
import { policyOf, withExpiration } from './policy.js';
import { noSlotPast, pastOf, type SlotPast } from './past.js';
import type { PlacedService } from './report.js';
import { assignSlots, noSlots, type Slots } from './slots.js';

export interface Compiled {
  readonly snapshot: SnapshotSpec;
  readonly placed: readonly PlacedService[];
  readonly serviceSlots: Slots;
  readonly serverSlots: Slots;
  readonly past: SlotPast;
  readonly planned: ReadonlyMap<string, Planned>;
}

/** A service's plan as the scheduler made it. */
interface Planned {
  readonly service: VirtualService;
  readonly servers: readonly SchedulerServer[];
  readonly plan: Plan;
  /** It was in use before, and the connections meanwhile go on taking steps of it. */
  readonly continues: boolean;
}

export const nothingCompiled: Compiled = {
  snapshot: { services: [], removedServer: 'reset' },
  placed: [],
  serviceSlots: noSlots,
  serverSlots: noSlots,
  past: noSlotPast,
  planned: new Map(),
};

export function compile(model: Model, before: Compiled, counters: Counters, limits: Limits): Compiled {
  const busy = new Set(
    counters.servers.filter((it) => it.active + it.inactive + it.persistent > 0).map((it) => it.slot),
  );
  const serverSlots = assignSlots(before.serverSlots, model.services.flatMap(serverKeys), {
    what: 'server',
    limit: limits.serverSlots,
    idle: (slot) => !busy.has(slot),
  });
  const busyServices = servicesOf(before, busy);
  const serviceSlots = assignSlots(
    before.serviceSlots,
    model.services.map((service) => service.name),
    { what: 'service', limit: limits.serviceSlots, idle: (slot) => !busyServices.has(slot) },
  );
  const cursors = new Map(counters.services.map(({ slot, cursor }) => [slot, cursor]));
  const planned = new Map(
    model.services.map((service) => {
      const slot = before.serviceSlots.live.get(service.name) ?? -1;
      return [service.name, planService(service, before.planned.get(service.name), cursors.get(slot) ?? 0)];
    }),
  );
  const specs = [...planned.values()].map((it) => ({
    service: it.service,
    spec: specOf(it, serviceSlots, serverSlots, model.ipvs.sysctls),
  }));
  return {
    snapshot: {
      services: specs.map(({ spec }) => spec),
      removedServer: model.ipvs.removedServers,
      onePacketReplies: model.ipvs.onePacketReplies,
      expireQuiescentTemplate: model.ipvs.sysctls.expire_quiescent_template === 1,
      policy: policyOf(model.ipvs),
    },
    placed: specs.map(({ service, spec }) => placeOf(service, spec)),
    serviceSlots,
    serverSlots,
    past: pastOf(before.past, serverSlots, serviceSlots, counters),
    planned,
  };
}

function planService(service: VirtualService, before: Planned | undefined, cursor: number): Planned {
  const past: Past | undefined =
    before?.service.scheduler === service.scheduler
      ? { plan: before.plan, servers: before.servers, cursor }
      : undefined;
  if (before !== undefined && past !== undefined && sameInput(before.service, service)) {
    return { ...before, service, continues: true };
  }
  const servers = withLastWeights(service.servers, past?.servers);
  const plan = planOf(service, servers, past);
  return { service, servers, plan, continues: false };
}

function planOf(service: VirtualService, servers: readonly SchedulerServer[], past: Past | undefined): Plan {
  const { name, scheduler, flags, listen } = service;
  if (typeof scheduler === 'string') return schedulerFor(scheduler, flags).plan(servers, past);
  return scheduler.scheduler.plan(
    servers,
    servers.map(() => noLoad),
    {
      service: name,
      protocols: [...new Set(listen.map(({ protocol }) => protocol))],
      options: scheduler.options,
      nowMs: 0,
      ...(past !== undefined && { past }),
      memory: new Map(),
    },
  );
}

function sameInput(before: VirtualService, after: VirtualService): boolean {
  const input = ({ flags, servers }: VirtualService): string =>
    JSON.stringify([flags, servers.map((server) => [serverId(server), server.weight])]);
  return input(before) === input(after);
}

function specOf(
  { service, plan, continues }: Planned,
  serviceSlots: Slots,
  serverSlots: Slots,
  sysctls: Sysctls,
): ServiceSpec {
  return {
    slot: slotOf(serviceSlots, service.name),
    listen: service.listen.map(({ protocol, address, port }) => ({ protocol, address, port })),
    servers: service.servers.map((server) => ({
      slot: slotOf(serverSlots, serverKey(service, serverId(server))),
      address: server.address,
      port: server.port,
      weight: server.weight,
      upperThreshold: server.upperThreshold,
      lowerThreshold: server.lowerThreshold,
    })),
    plan: withExpiration(plan, sysctls),
    ...(continues && plan.kind === 'cycle' && { continues }),
    timeouts: service.timeouts,
    ...(service.persistence === null ? {} : { persistence: service.persistence }),
    ...(service.mark === null ? {} : { mark: service.mark }),
    ...(service.onePacket ? { onePacket: true } : {}),
    ...(service.helper === 'ftp' && { helper: service.helper }),
  };
}

function placeOf(service: VirtualService, spec: ServiceSpec): PlacedService {
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

const serverKey = (service: VirtualService, id: string): string => `${service.name}${keySeparator}${id}`;

const serverKeys = (service: VirtualService): string[] =>
  service.servers.map((server) => serverKey(service, serverId(server)));

function slotOf(slots: Slots, key: string): number {
  const slot = slots.live.get(key);
  if (slot === undefined) throw new Error(`slot of ${key} was not assigned`); // assignSlots covers every key
  return slot;
}
