// SPDX-License-Identifier: Apache-2.0
/**
 * Judge, decide, swap, remember: the running configuration changes only after the dataplane has taken the new snapshot, and
 * the dataplane takes a snapshot whole or not at all. So whatever fails, what runs and what is remembered stay the same.
 *
 * A change of many services is worked out in steps, with everybody else having turns between them. It is published in the
 * last one, at once; had something else been published meanwhile, it would be worked out again.
 *
 * The model says what is desired; what is published is what standing.ts makes of it, service by service. A file or an
 * operation changes the model; checks and the passing of time only have services judged again.
 */
import type { Counters, Dataplane } from '../dataplane/dataplane.js';
import { VsnatError } from '../errors.js';
import { serverId, type Model, type VirtualService } from '../model/index.js';
import {
  compiling,
  nothingCompiled,
  serverKey,
  snapshotOf,
  type Compilable,
  type Compiled,
} from './compile.js';
import { nextPlanAt } from './custom-plan.js';
import { Durations, type WorkTimes } from './durations.js';
import { departedAfter, lingeringVips } from './departed.js';
import { diffing, withoutRestart, type Change } from './diff.js';
import type { ExplainedService } from './explain.js';
import type { ServiceTally } from './ledger.js';
import type { Listing } from './listing.js';
import { atOnce } from '../pace.js';
import { leftOutOf } from './plan-service.js';
import {
  connectionOf,
  countedServer,
  countedService,
  listServices,
  type ConnectionPage,
  type PlacedService,
  type ServiceListing,
} from './report.js';
import { reusingServices } from './reuse.js';
import { judge, type Observed, type ServiceStanding } from './standing.js';

/** A service that was judged anew, with another result. */
export interface Transition {
  /** undefined: the service is new. */
  readonly before: ServiceStanding | undefined;
  readonly after: ServiceStanding;
}

export interface Watch {
  /** undefined: nobody checks this server. */
  readonly observe: (service: string, server: string) => Observed | undefined;
  /** Milliseconds that only go forward. */
  readonly now: () => number;
  /** Told after the publish, of all that one call has changed. */
  readonly onTransitions: (transitions: readonly Transition[]) => void;
  /** A custom scheduler fails, for another reason than before; or plans again (null). */
  readonly onPlanning?: (service: string, failure: string | null) => void;
  /** A custom scheduler planned for these servers, and some that have a weight can never be picked; [] once all can. */
  readonly onLeftOut?: (service: string, servers: readonly string[]) => void;
}

interface Running {
  readonly model: Model;
  readonly standings: ReadonlyMap<string, ServiceStanding>;
  readonly compiled: Compiled;
  readonly generation: number;
  /** No longer in the model, and with connections. */
  readonly departed: readonly VirtualService[];
}

export interface Publishes {
  /** Snapshots published. */
  readonly count: number;
  /** Of the last one: compiled, handed over, and every queue works with it. JavaScript waits for it. */
  readonly lastSeconds: number;
  /** Of that, from the moment the first queue was told. */
  readonly lastSwapSeconds: number;
  /** Of all of them. */
  readonly times: WorkTimes;
  readonly swapTimes: WorkTimes;
}

export class Reconciler {
  readonly #dataplane: Dataplane;
  readonly #watch: Watch;
  #running: Running | undefined;
  #publishes = { count: 0, lastSeconds: 0, lastSwapSeconds: 0 };
  readonly #durations = new Durations();
  readonly #swapDurations = new Durations();

  constructor(dataplane: Dataplane, watch: Watch = nobodyWatches) {
    this.#dataplane = dataplane;
    this.#watch = watch;
  }

  /** The configuration in force; settings that wait for a restart are still the old ones. */
  get model(): Model {
    return this.#now().model;
  }

  get generation(): number {
    return this.#now().generation;
  }

  get publishes(): Publishes {
    return { ...this.#publishes, times: this.#durations.times, swapTimes: this.#swapDurations.times };
  }

  /** When a service must be judged again although nobody has said anything; null: never. */
  get nextAt(): number | null {
    let next: number | null = null;
    for (const { nextAt } of this.#now().standings.values())
      if (nextAt !== null && (next === null || nextAt < next)) next = nextAt;
    return next;
  }

  /** When a custom scheduler wants to plan again; null: never. */
  get nextPlanAt(): number | null {
    let next: number | null = null;
    for (const [, at] of this.#plansWanted()) if (next === null || at < next) next = at;
    return next;
  }

  /** Has the custom schedulers plan whose time has come, and publishes what they say. */
  replan(): void {
    const before = this.#now();
    const now = this.#watch.now();
    const due = new Set([...this.#plansWanted()].flatMap(([name, at]) => (at <= now ? [name] : [])));
    if (due.size === 0) return;
    const { model, standings, departed } = before;
    const swapped = atOnce(this.#swapping(wantedOf(model, standings, departed), before, due));
    if (swapped !== undefined) this.#running = { model, standings, departed, ...swapped };
  }

  *#plansWanted(): Generator<readonly [service: string, at: number]> {
    for (const [name, { planned }] of this.#now().compiled.services) {
      const at = planned.custom === null ? null : nextPlanAt(planned.custom);
      if (at !== null) yield [name, at];
    }
  }

  standing(service: string): ServiceStanding | undefined {
    return this.#now().standings.get(service);
  }

  /** Publishes the first configuration. Throws when the dataplane refuses. */
  begin(model: Model): void {
    atOnce(this.#installing(model, undefined));
  }

  /** Publishes what separates `wanted` from what runs. Throws, with nothing changed, when the dataplane refuses. */
  apply(wanted: Model): readonly Change[] {
    return atOnce(this.applying(wanted));
  }

  /** The same in steps; what runs is the old configuration until the last of them. */
  *applying(wanted: Model): Generator<void, readonly Change[], undefined> {
    const before = this.#now();
    const model = yield* reusingServices(before.model, withoutRestart(before.model, wanted));
    const changes: Change[] = [];
    // As wanted, so that what waits for a restart is told.
    for (const change of diffing(before.model, { ...wanted, services: model.services })) {
      changes.push(change);
      yield;
    }
    const isNothing = changes.length === 0 && sameServices(before.model, model);
    const isDone = isNothing ? this.#running === before : yield* this.#installing(model, before);
    return isDone ? changes : yield* this.applying(wanted);
  }

  /** False, and nothing is changed, when something else has been installed meanwhile. */
  *#installing(model: Model, before: Running | undefined): Generator<void, boolean, undefined> {
    const standings = new Map<string, ServiceStanding>();
    for (const service of model.services) {
      const standing = before?.standings.get(service.name);
      const isKnown = standing?.service === service; // time and checks have it judged when they must
      standings.set(service.name, isKnown ? standing : this.#judge(service, before));
      yield;
    }
    const departed = departedAfter(
      before?.departed ?? [],
      before?.model.services ?? [],
      model.services,
      (service) => this.#isBusy(service),
    );
    return yield* this.#publishing(model, standings, departed, before);
  }

  /** Services that are no longer in the model, but have connections that go on. */
  get departed(): readonly VirtualService[] {
    return this.#now().departed;
  }

  /** Forgets those of them whose last connection has ended, and returns them. */
  sweep(): readonly VirtualService[] {
    const { model, standings, departed } = this.#now();
    const still = departedAfter(departed, [], model.services, (service) => this.#isBusy(service));
    if (still === departed) return [];
    this.#publish(model, standings, still);
    return departed.filter((service) => !still.includes(service));
  }

  #isBusy(service: VirtualService): boolean {
    const { live, retired } = this.#now().compiled.serverSlots;
    return [...service.servers, ...service.sorryServers].some((server) => {
      const key = serverKey(service, serverId(server));
      const slot = live.get(key) ?? retired.get(key);
      if (slot === undefined) return false;
      const { active, inactive } = this.#dataplane.load(slot);
      return active + inactive > 0;
    });
  }

  /** Judges these services again; 'due': those whose time has come. What comes of it is published at once. */
  judge(services: Iterable<string> | 'due'): void {
    const before = this.#now();
    const names = services === 'due' ? this.#due() : services;
    const standings = new Map(before.standings);
    for (const name of names) {
      const standing = standings.get(name);
      if (standing !== undefined) standings.set(name, this.#judge(standing.service, before));
    }
    this.#publish(before.model, standings, before.departed);
  }

  *#due(): Generator<string> {
    const now = this.#watch.now();
    for (const [name, { nextAt }] of this.#now().standings) if (nextAt !== null && nextAt <= now) yield name;
  }

  #judge(service: VirtualService, running: Running | undefined): ServiceStanding {
    return judge(service, running?.standings.get(service.name), {
      observe: (server) => this.#watch.observe(service.name, server),
      lingers: (server) => this.#lingers(service.name, server, running),
      now: this.#watch.now(),
    });
  }

  #lingers(service: string, server: string, running: Running | undefined): boolean {
    const members = running?.compiled.services.get(service)?.placed.servers;
    const slot = members?.find((member) => member.server === server)?.slot;
    if (slot === undefined) return false;
    const { active, inactive } = this.#dataplane.load(slot);
    return active + inactive > 0;
  }

  #publish(
    model: Model,
    standings: ReadonlyMap<string, ServiceStanding>,
    departed: readonly VirtualService[],
  ): void {
    atOnce(this.#publishing(model, standings, departed, this.#running));
  }

  /** As #installing(). */
  *#publishing(
    model: Model,
    standings: ReadonlyMap<string, ServiceStanding>,
    departed: readonly VirtualService[],
    before: Running | undefined,
  ): Generator<void, boolean, undefined> {
    if (this.#running !== before) return false;
    const wanted = wantedOf(model, standings, departed);
    const isNeeded =
      before === undefined ||
      before.model !== model ||
      before.departed !== departed ||
      [...standings].some(([name, { effective }]) => before.standings.get(name)?.effective !== effective);
    const published = isNeeded ? yield* this.#swapping(wanted, before) : before;
    if (published === undefined) return false;
    const { compiled, generation } = published;
    this.#running = { model, standings, departed, compiled, generation };
    yield;
    const transitions = [...standings.values()].flatMap((after): readonly Transition[] => {
      const then = before?.standings.get(after.service.name);
      return then === after ? [] : [{ before: then, after }];
    });
    if (transitions.length > 0) this.#watch.onTransitions(transitions);
    return true;
  }

  /** undefined, and nothing is changed, when `before` runs no more. */
  *#swapping(
    wanted: Compilable,
    before: Running | undefined,
    due: ReadonlySet<string> = new Set(),
  ): Generator<void, Pick<Running, 'compiled' | 'generation'> | undefined, undefined> {
    const began = performance.now();
    const occasion = { nowMs: this.#watch.now(), due };
    const old = before?.compiled ?? nothingCompiled;
    const { compiled, delta } = yield* compiling(wanted, old, this.#dataplane, occasion);
    if (this.#running !== before) return undefined;
    if (before !== undefined && due.size > 0 && delta.services.length === 0) {
      this.#tellPlanning(old, compiled, due);
      return { compiled, generation: before.generation };
    }
    const generation =
      before === undefined ? this.#dataplane.publish(snapshotOf(compiled)) : this.#dataplane.update(delta);
    this.#publishes = {
      count: this.#publishes.count + 1,
      lastSeconds: (performance.now() - began) / 1000,
      lastSwapSeconds: this.#dataplane.swapSeconds(),
    };
    this.#durations.add(this.#publishes.lastSeconds);
    this.#swapDurations.add(this.#publishes.lastSwapSeconds);
    this.#tellPlanning(old, compiled, due);
    return { compiled, generation };
  }

  #tellPlanning(before: Compiled, after: Compiled, due: ReadonlySet<string>): void {
    for (const [name, { planned }] of after.services) {
      const then = before.services.get(name)?.planned.custom;
      const failure = planned.custom?.failure ?? null;
      if (planned.custom !== then && failure !== (then?.failure ?? null))
        this.#watch.onPlanning?.(name, failure);
      if (due.has(name)) continue; // a plan made while time passes may well leave a server in peace
      const left = leftOutOf(planned);
      if (left.join() !== leftOutOf(before.services.get(name)?.planned).join())
        this.#watch.onLeftOut?.(name, left);
    }
  }

  /** Services and servers with their numbers, each put together when it is asked for. */
  services(counters: Counters): Listing<ServiceListing> {
    const { compiled, standings } = this.#now();
    const services = [...compiled.services.values()].map(({ placed, planned }) => ({
      placed,
      planFailures: planned.custom?.failures ?? null,
      standing: standings.get(placed.service),
    }));
    return listServices(services, { counters, past: compiled.past, now: this.#watch.now() });
  }

  /** Only what is counted, for who looks at all of it every other second. */
  *tallies(counters: Counters): Generator<ServiceTally, void, undefined> {
    const { services, past } = this.#now().compiled;
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
    const { model, compiled } = this.#now();
    for (const service of model.services) {
      const placed = compiled.services.get(service.name)?.placed;
      if (placed !== undefined) yield [service, placed];
    }
  }

  /** The same of one; undefined: there is no such service. */
  placeOf(name: string): { readonly service: VirtualService; readonly placed: PlacedService } | undefined {
    const { standings, compiled } = this.#now();
    const service = standings.get(name)?.service;
    const placed = compiled.services.get(name)?.placed;
    return service === undefined || placed === undefined ? undefined : { service, placed };
  }

  /** What the dataplane works with, for explain.ts. */
  explained(): readonly ExplainedService[] {
    return [...this.#now().compiled.services].map(([name, { spec, placed }]) => ({
      name,
      scheduler: placed.scheduler,
      spec,
    }));
  }

  connections(cursor: number, limit: number): ConnectionPage {
    const names = new Map(
      [...this.#now().compiled.services].map(([name, { spec }]) => [spec.slot, name] as const),
    );
    const { rows, next } = this.#dataplane.flows(cursor, limit);
    return {
      rows: rows.map((row) => connectionOf(row, names.get(row.serviceSlot) ?? null)),
      next,
    };
  }

  /** Where a service and, perhaps, a server of it live in the dataplane; undefined: nowhere. */
  slotsOf(
    service: string,
    server: string | null,
  ): { readonly serviceSlot: number; readonly serverSlot: number | undefined } | undefined {
    const placed = this.#now().compiled.services.get(service)?.placed;
    if (placed === undefined) return undefined;
    const member = placed.servers.find((one) => one.server === server);
    if (server !== null && member === undefined) return undefined;
    return { serviceSlot: placed.slot, serverSlot: member?.slot };
  }

  #now(): Running {
    if (this.#running === undefined) {
      throw new VsnatError(
        'VSNAT_DATAPLANE',
        'director: must have a configuration first, got none; call begin()',
      );
    }
    return this.#running;
  }
}

const wantedOf = (
  { ipvs, services: present }: Model,
  standings: ReadonlyMap<string, ServiceStanding>,
  departed: readonly VirtualService[],
): Compilable => {
  const lingering = lingeringVips(departed, present);
  return {
    ipvs,
    services: [...standings.values()].map(({ effective }) => effective),
    ...(lingering.length > 0 && { lingeringVips: lingering }),
  };
};

const nobodyWatches: Watch = {
  observe: () => undefined,
  now: () => performance.now(),
  onTransitions: () => undefined,
};

const sameServices = (a: Model, b: Model): boolean =>
  a.services.length === b.services.length &&
  a.services.every((service, index) => service === b.services[index]);
