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
import type { Model, VirtualService } from '../model/index.js';
import { atOnce } from '../pace.js';
import { compiling, nothingCompiled, snapshotOf, type Compilable, type Compiled } from './compile.js';
import { departedAfter, lingeringVips } from './departed.js';
import { diffing, withoutRestart, type Change } from './diff.js';
import type { Listing } from './listing.js';
import { leftOutOf } from './plan-service.js';
import { PublishTimes, type Publishes } from './publishes.js';
import type { ServiceListing } from './report.js';
import { reusingServices } from './reuse.js';
import { Running, type LoadOf } from './running.js';
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

export class Reconciler {
  readonly #dataplane: Dataplane;
  readonly #loadOf: LoadOf = (slot) => this.#dataplane.load(slot);
  readonly #watch: Watch;
  #running: Running | undefined;
  readonly #times = new PublishTimes();

  constructor(dataplane: Dataplane, watch: Watch = nobodyWatches) {
    this.#dataplane = dataplane;
    this.#watch = watch;
  }

  /** The configuration in force; settings that wait for a restart are still the old ones. */
  get model(): Model {
    return this.running.model;
  }

  get generation(): number {
    return this.running.generation;
  }

  get publishes(): Publishes {
    return this.#times.publishes;
  }

  /** Has the custom schedulers plan whose time has come, and publishes what they say. */
  replan(): void {
    const before = this.running;
    const due = before.plansDue(this.#watch.now());
    if (due.size === 0) return;
    const { model, standings, departed } = before;
    const swapped = atOnce(this.#swapping(wantedOf(model, standings, departed), before, due));
    if (swapped !== undefined) this.#running = new Running({ model, standings, departed, ...swapped });
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
    const before = this.running;
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
      (service) => before?.isBusy(service, this.#loadOf) === true,
    );
    return yield* this.#publishing(model, standings, departed, before);
  }

  /** Services that are no longer in the model, but have connections that go on. */
  get departed(): readonly VirtualService[] {
    return this.running.departed;
  }

  /** Forgets those of them whose last connection has ended, and returns them. */
  sweep(): readonly VirtualService[] {
    const { running } = this;
    const { model, standings, departed } = running;
    const still = departedAfter(departed, [], model.services, (service) =>
      running.isBusy(service, this.#loadOf),
    );
    if (still === departed) return [];
    this.#publish(model, standings, still);
    return departed.filter((service) => !still.includes(service));
  }

  /** Judges these services again; 'due': those whose time has come. What comes of it is published at once. */
  judge(services: Iterable<string> | 'due'): void {
    const before = this.running;
    const names = services === 'due' ? before.due(this.#watch.now()) : services;
    const standings = new Map(before.standings);
    for (const name of names) {
      const standing = standings.get(name);
      if (standing !== undefined) standings.set(name, this.#judge(standing.service, before));
    }
    this.#publish(before.model, standings, before.departed);
  }

  #judge(service: VirtualService, running: Running | undefined): ServiceStanding {
    return judge(service, running?.standings.get(service.name), {
      observe: (server) => this.#watch.observe(service.name, server),
      lingers: (server) => running?.lingers(service.name, server, this.#loadOf) === true,
      now: this.#watch.now(),
    });
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
    this.#running = new Running({ model, standings, departed, compiled, generation });
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
    this.#times.add((performance.now() - began) / 1000, this.#dataplane.swapSeconds());
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
    return this.running.services(counters, this.#watch.now());
  }

  /** What runs, to be asked. Throws VSNAT_DATAPLANE before begin(). */
  get running(): Running {
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
