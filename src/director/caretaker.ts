// SPDX-License-Identifier: Apache-2.0
/**
 * Looks after the servers while time passes: hears what checks say, has services judged and published, comes back when a
 * slow start takes its next step or a drain reaches its deadline, and ends what is then left. Judging is standing.ts's, the
 * publishing the reconciler's; here is only when.
 */
import { said } from '../errors.js';
import type { Dataplane, Ending } from '../dataplane/dataplane.js';
import type { Clock } from '../health/clock.js';
import type { CheckedState, ConnectThrough, HealthMonitor } from '../health/state.js';
import type { Model } from '../model/index.js';
import { CheckWays } from './check-ways.js';
import type { Events } from './events.js';
import { happenings } from './happenings.js';
import type { Change } from './diff.js';
import { Pace, paced } from '../pace.js';
import { PassiveWatch } from './passive-watch.js';
import { Reconciler, type Transition } from './reconciler.js';
import { formerly, type Observed } from './standing.js';

/** How often a server that is drained is asked whether it is empty. */
const emptyMs = 1_000;

/** How often services that have left are asked whether their last connection has ended. */
const departedMs = 2_000;

/** However late it is: plans must not follow each other without a pause. */
const shortestPlanMs = 10;

/** setTimeout() takes no more than 24 days. */
const longestMs = 3_600_000;

/**
 * Makes what checks the servers. `onChange` is to be called with every change; `connectThrough` finds ways through the
 * dataplane, undefined where its packets are not this host's.
 */
export type MakeMonitor = (
  onChange: (states: readonly CheckedState[]) => void,
  connectThrough: ConnectThrough | undefined,
) => HealthMonitor;

interface Drained {
  readonly service: string;
  readonly server: string;
}

export class Caretaker {
  readonly reconciler: Reconciler;
  readonly #dataplane: Pick<Dataplane, 'endFlows' | 'load' | 'signs' | 'checkLeads'>;
  readonly #events: Events;
  readonly #clock: Clock;
  #monitor: HealthMonitor | undefined;
  #passive: PassiveWatch | undefined;
  #ways: CheckWays | undefined;
  /** Servers whose connections are waited for to end. */
  #draining: readonly Drained[] = [];
  #cancel: () => void = () => undefined;
  #cancelLook: () => void = () => undefined;
  #cancelPlanning: () => void = () => undefined;
  #cancelSweep: () => void = () => undefined;
  readonly #onEmptied: () => void;
  #isApplying = false;
  #heardMeanwhile = new Set<string>();
  #isClosed = false;

  /** `onEmptied`: services that had left have lost their last connection, so the host need not lead packets here any more. */
  constructor(dataplane: Dataplane, events: Events, clock: Clock, onEmptied: () => void = () => undefined) {
    this.#onEmptied = onEmptied;
    this.#dataplane = dataplane;
    this.#events = events;
    this.#clock = clock;
    this.reconciler = new Reconciler(dataplane, {
      observe: (service, server) => this.#observe(service, server),
      now: () => clock.now(),
      onTransitions: (transitions) => this.#hear(transitions),
      onPlanning: (service, failure) => this.#hearOfPlan(service, failure),
      onLeftOut: (service, servers) => this.#hearOfLeftOut(service, servers),
    });
  }

  get monitor(): HealthMonitor | undefined {
    return this.#monitor;
  }

  /** Begins to check. */
  employ(make: MakeMonitor): void {
    const { checkLeads: leads } = this.#dataplane;
    const placeOf = (service: string) => this.reconciler.running.placeOf(service);
    if (leads !== null) this.#ways = new CheckWays({ leads, placeOf, clock: this.#clock });
    const monitor = make((states) => {
      this.#passive?.hear(states);
      this.#judge(new Set(states.map(({ service }) => service)));
    }, this.#ways?.connect);
    this.#monitor = monitor;
    const [dataplane, events, clock] = [this.#dataplane, this.#events, this.#clock];
    this.#passive = new PassiveWatch({ dataplane, monitor, events, clock });
    this.#monitor.update(this.reconciler.model);
    this.#passive.follow(this.reconciler.running.placed());
  }

  /**
   * As reconciler.apply(), in slices. What checks say meanwhile, what is due and what would be planned waits until it is
   * done, as it would if all else were held up; but checks go on, and whoever asks is answered from what runs.
   */
  async apply(model: Model): Promise<readonly Change[]> {
    this.#isApplying = true;
    try {
      return await paced(this.reconciler.applying(model), new Pace());
    } finally {
      this.#isApplying = false;
      const names = this.#heardMeanwhile;
      this.#heardMeanwhile = new Set();
      if (names.size > 0) this.#judge(names);
      else this.#wait();
    }
  }

  /** To be called after every change of the model; in slices, as apply(). */
  async attend(): Promise<void> {
    const pace = new Pace();
    await pace.rest();
    this.#monitor?.update(this.reconciler.model);
    await pace.rest();
    this.#passive?.follow(this.reconciler.running.placed());
    this.waitForAll();
  }

  /** Comes back when time alone asks for it. */
  waitForAll(): void {
    this.#wait();
    this.#waitToPlan();
    this.#waitToSweep();
  }

  /** Ends checks and timers. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    this.#cancelLook();
    this.#cancelPlanning();
    this.#passive?.close();
    this.#cancelSweep();
    await this.#monitor?.close();
    this.#ways?.close();
  }

  #observe(service: string, server: string): Observed | undefined {
    return this.#monitor?.state(service, server);
  }

  #judge(services: ReadonlySet<string> | 'due'): void {
    if (this.#isClosed) return;
    if (this.#isApplying) {
      if (services !== 'due') for (const name of services) this.#heardMeanwhile.add(name);
      return; // apply() comes back to what is due as well
    }
    try {
      this.reconciler.judge(services);
    } catch (error) {
      // What runs goes on as it was; the next verdict or step tries again.
      const text = said(error);
      this.#events.record({ kind: 'device', text: `a change of standing was refused: ${text}` });
    }
    this.#wait();
  }

  #wait(): void {
    this.#cancel();
    const next = this.#isClosed ? null : this.reconciler.running.nextAt;
    if (next === null) return;
    const delay = Math.min(longestMs, Math.max(1, next - this.#clock.now()));
    this.#cancel = this.#clock.after(delay, () => this.#judge('due'));
  }

  #waitToPlan(): void {
    this.#cancelPlanning();
    const next = this.#isClosed ? null : this.reconciler.running.nextPlanAt;
    if (next === null) return;
    const delay = Math.min(longestMs, Math.max(shortestPlanMs, next - this.#clock.now()));
    this.#cancelPlanning = this.#clock.after(delay, () => this.#plan());
  }

  #plan(): void {
    if (this.#isClosed) return;
    if (this.#isApplying) return this.#waitToPlan();
    try {
      this.reconciler.replan();
    } catch (error) {
      const text = said(error);
      this.#events.record({ kind: 'device', text: `a new plan was refused: ${text}` });
    }
    this.#waitToPlan();
  }

  #waitToSweep(): void {
    this.#cancelSweep();
    if (this.#isClosed || this.reconciler.departed.length === 0) return;
    this.#cancelSweep = this.#clock.after(departedMs, () => this.#sweep());
  }

  #sweep(): void {
    if (this.#isClosed) return;
    if (this.#isApplying) return this.#waitToSweep();
    try {
      const emptied = this.reconciler.sweep();
      for (const { name } of emptied) {
        const text = `the last connection of ${name} has ended, which is not configured any more`;
        this.#events.record({ kind: 'flows', service: name, text, detail: { what: 'departed' } });
      }
      if (emptied.length > 0) this.#onEmptied();
    } catch (error) {
      const text = said(error);
      this.#events.record({ kind: 'device', text: `addresses without a service stay: ${text}` });
    }
    this.#waitToSweep();
  }

  /** Once a trouble, however often it is met. */
  #hearOfPlan(service: string, failure: string | null): void {
    const text =
      failure === null
        ? `the scheduler of ${service} plans again`
        : `the scheduler of ${service} made no plan, so the last one stays: ${failure}`;
    this.#events.record({ kind: 'scheduler', service, text, detail: { failure } });
  }

  #hearOfLeftOut(service: string, servers: readonly string[]): void {
    const text =
      servers.length === 0
        ? `the scheduler of ${service} picks all servers again`
        : `the scheduler of ${service} never picks ${brief(servers)}, though not drained`;
    this.#events.record({ kind: 'scheduler', service, text, detail: { leftOut: servers } });
  }

  #hear(transitions: readonly Transition[]): void {
    const reason = (service: string, server: string): CheckedState | undefined =>
      this.#monitor?.state(service, server);
    for (const event of happenings(transitions, reason)) this.#events.record(event);
    for (const { before, after } of transitions) {
      const former = before && formerly(before);
      const { name } = after.service;
      for (const [index, { server, drain }] of after.servers.entries()) {
        if (drain === null) continue;
        const old = former?.(server, index)?.drain ?? null;
        if (drain.isOver && old?.isOver !== true) this.#end(name, server, drain.policy.then);
        if (before !== undefined && old === null) this.#awaitEmpty({ service: name, server });
      }
    }
  }

  #end(service: string, server: string, ending: Ending): void {
    const slots = this.reconciler.running.slotsOf(service, server);
    if (slots?.serverSlot === undefined) return;
    const { serverSlot } = slots;
    this.#dataplane.endFlows({ serverSlot }, ending).then(
      (count) => {
        const what = ending === 'reset' ? 'reset' : 'silenced';
        this.#events.record({
          kind: 'drain',
          service,
          server,
          text: `server ${server} of ${service} has reached its deadline; ${count} connections ${what}`,
          detail: { what: 'deadline', connections: count, ending },
        });
      },
      () => undefined, // the dataplane is being closed
    );
  }

  #awaitEmpty(drained: Drained): void {
    if (this.#draining.length === 0) this.#lookLater();
    this.#draining = [...this.#draining, drained];
  }

  #lookLater(): void {
    this.#cancelLook = this.#clock.after(emptyMs, () => {
      if (this.#isClosed) return;
      this.#draining = this.#draining.filter((drained) => this.#isStillDraining(drained));
      if (this.#draining.length > 0) this.#lookLater();
    });
  }

  #isStillDraining({ service, server }: Drained): boolean {
    const { running } = this.reconciler;
    const standing = running.standings.get(service)?.servers.find((one) => one.server === server);
    const slot = running.slotsOf(service, server)?.serverSlot;
    if (standing === undefined || standing.drain === null || slot === undefined) return false;
    const { active, inactive } = this.#dataplane.load(slot);
    if (active + inactive > 0) return true;
    const text = `server ${server} of ${service} is empty`;
    this.#events.record({ kind: 'drain', service, server, text, detail: { what: 'empty' } });
    return false;
  }
}

/** The first few of a list. */
const brief = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
