// SPDX-License-Identifier: Apache-2.0
/**
 * What runs: the model, what became of it service by service, and where each of them lives in the dataplane. It never
 * changes; reconciler.ts puts another one in its place. Here it is asked.
 */
import type { Counters, FlowPage, ServerLoad } from '../dataplane/dataplane.js';
import { serverId, type Model, type VirtualService } from '../model/index.js';
import { serverKey, type Compiled } from './compile.js';
import { nextPlanAt } from './custom-plan.js';
import type { ExplainedService } from './explain.js';
import type { ServiceTally } from './ledger.js';
import type { Listing } from './listing.js';
import {
  connectionOf,
  countedServer,
  countedService,
  listServices,
  type ConnectionPage,
  type PlacedService,
  type ServiceListing,
} from './report.js';
import type { ServiceStanding } from './standing.js';

export interface RunningParts {
  readonly model: Model;
  readonly standings: ReadonlyMap<string, ServiceStanding>;
  readonly compiled: Compiled;
  readonly generation: number;
  /** No longer in the model, and with connections. */
  readonly departed: readonly VirtualService[];
}

/** Of a server's slot, now. */
export type LoadOf = (serverSlot: number) => Pick<ServerLoad, 'active' | 'inactive'>;

export class Running implements RunningParts {
  readonly model: Model;
  readonly standings: ReadonlyMap<string, ServiceStanding>;
  readonly compiled: Compiled;
  readonly generation: number;
  readonly departed: readonly VirtualService[];

  constructor({ model, standings, compiled, generation, departed }: RunningParts) {
    this.model = model;
    this.standings = standings;
    this.compiled = compiled;
    this.generation = generation;
    this.departed = departed;
  }

  /** When a service must be judged again although nobody has said anything; null: never. */
  get nextAt(): number | null {
    let next: number | null = null;
    for (const { nextAt } of this.standings.values())
      if (nextAt !== null && (next === null || nextAt < next)) next = nextAt;
    return next;
  }

  /** Services whose time to be judged again has come. */
  *due(now: number): Generator<string, void, undefined> {
    for (const [name, { nextAt }] of this.standings) if (nextAt !== null && nextAt <= now) yield name;
  }

  /** When a custom scheduler wants to plan again; null: never. */
  get nextPlanAt(): number | null {
    let next: number | null = null;
    for (const [, at] of this.#plansWanted()) if (next === null || at < next) next = at;
    return next;
  }

  /** Services whose custom scheduler wants to plan again by now. */
  plansDue(now: number): ReadonlySet<string> {
    return new Set([...this.#plansWanted()].flatMap(([name, at]) => (at <= now ? [name] : [])));
  }

  *#plansWanted(): Generator<readonly [service: string, at: number]> {
    for (const [name, { planned }] of this.compiled.services) {
      const at = planned.custom === null ? null : nextPlanAt(planned.custom);
      if (at !== null) yield [name, at];
    }
  }

  /** Whether a service, which may have left the model, has connections. */
  isBusy(service: VirtualService, loadOf: LoadOf): boolean {
    const { live, retired } = this.compiled.serverSlots;
    return [...service.servers, ...service.sorryServers].some((server) => {
      const key = serverKey(service, serverId(server));
      return hasConnections(live.get(key) ?? retired.get(key), loadOf);
    });
  }

  /** Whether a server of a service has connections. */
  lingers(service: string, server: string, loadOf: LoadOf): boolean {
    return hasConnections(this.slotsOf(service, server)?.serverSlot, loadOf);
  }

  /** Services and servers with their numbers, each put together when it is asked for. */
  services(counters: Counters, now: number): Listing<ServiceListing> {
    const services = [...this.compiled.services.values()].map(({ placed, planned }) => ({
      placed,
      planFailures: planned.custom?.failures ?? null,
      standing: this.standings.get(placed.service),
    }));
    return listServices(services, { counters, past: this.compiled.past, now });
  }

  /** Only what is counted, for who looks at all of it every other second. */
  *tallies(counters: Counters): Generator<ServiceTally, void, undefined> {
    const { services, past } = this.compiled;
    for (const [service, { placed }] of services) {
      const { slot, servers } = placed;
      yield {
        service,
        connections: countedService(slot, counters, past)?.connections ?? 0,
        servers,
        countedAt: (index) => countedServer(servers[index]?.slot ?? -1, counters, past),
      };
    }
  }

  /** Services, and where they live in the dataplane. */
  *placed(): Generator<readonly [VirtualService, PlacedService]> {
    for (const service of this.model.services) {
      const placed = this.compiled.services.get(service.name)?.placed;
      if (placed !== undefined) yield [service, placed];
    }
  }

  /** The same of one; undefined: there is no such service. */
  placeOf(name: string): { readonly service: VirtualService; readonly placed: PlacedService } | undefined {
    const service = this.standings.get(name)?.service;
    const placed = this.compiled.services.get(name)?.placed;
    return service === undefined || placed === undefined ? undefined : { service, placed };
  }

  /** What the dataplane works with, for explain.ts. */
  explained(): readonly ExplainedService[] {
    return [...this.compiled.services].map(([name, { spec, placed }]) => ({
      name,
      scheduler: placed.scheduler,
      spec,
    }));
  }

  /** Rows of the dataplane, with the names of what runs. */
  connections({ rows, next }: FlowPage): ConnectionPage {
    const names = new Map([...this.compiled.services].map(([name, { spec }]) => [spec.slot, name] as const));
    return { rows: rows.map((row) => connectionOf(row, names.get(row.serviceSlot) ?? null)), next };
  }

  /** Where a service and, perhaps, a server of it live in the dataplane; undefined: nowhere. */
  slotsOf(
    service: string,
    server: string | null,
  ): { readonly serviceSlot: number; readonly serverSlot: number | undefined } | undefined {
    const placed = this.compiled.services.get(service)?.placed;
    if (placed === undefined) return undefined;
    const member = placed.servers.find((one) => one.server === server);
    if (server !== null && member === undefined) return undefined;
    return { serviceSlot: placed.slot, serverSlot: member?.slot };
  }
}

function hasConnections(slot: number | undefined, loadOf: LoadOf): boolean {
  if (slot === undefined) return false;
  const { active, inactive } = loadOf(slot);
  return active + inactive > 0;
}
