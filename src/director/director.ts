// SPDX-License-Identifier: Apache-2.0
/**
 * A director: virtual services in, packets moved. It owns a dataplane and, over a TUN device, what the host needs to
 * lead packets there. Here it is put together and asked; in-step.ts has the order in which things change.
 */
import type { Counters, CountersPart, Dataplane, DeviceFacts, Ending } from '../dataplane/dataplane.js';
import type { MemoryDataplane } from '../dataplane/native.js';
import type { MemoryPacket, ProcessedPacket } from '../dataplane/packet-engine.js';
import {
  attachStream,
  type AttachedStream,
  type AttachOptions,
  type PacketStream,
} from '../dataplane/packet-stream.js';
import { realClock, type Clock } from '../health/clock.js';
import type { Checked, CheckedState, HealthMonitor } from '../health/state.js';
import { preflight } from '../host/index.js';
import type { Model } from '../model/index.js';
import { Caretaker } from './caretaker.js';
import { selectionOf, type ConnectionSelection } from './connection-selection.js';
import { Defender, watchMemory, type DefenceState } from './defence.js';
import type { Change } from './diff.js';
import {
  modelOf,
  silent,
  type Configuration,
  type MemoryDirectorOptions,
  type TunDirectorOptions,
} from './director-options.js';
import { memoryDataplane, partsOverTun, type DirectorParts } from './director-parts.js';
import { Events } from './events.js';
import { explainRunning } from './explain-running.js';
import type { Explanation, Tuple } from './explain.js';
import { healthChecks } from './health-checks.js';
import { InStep } from './in-step.js';
import type { ServiceTally } from './ledger.js';
import type { Listing } from './listing.js';
import type { Publishes } from './publishes.js';
import type { Reconciler } from './reconciler.js';
import { wholeService, type ConnectionPage, type ServiceListing, type ServiceReport } from './report.js';
import type { EgressState, IngressState } from './ways.js';

/**
 * Virtual services at work. Director.tun() makes one that serves a network, Director.memory() one that serves arrays of
 * bytes; everything else is the same for both. After close() every call throws VSNAT_DATAPLANE, but for what only remembers
 * (`model`, `events`).
 */
export class Director {
  /** What has happened: verdicts, drains, lost quorums, schedulers that failed. */
  readonly events: Events;
  readonly #dataplane: Dataplane;
  readonly #caretaker: Caretaker;
  readonly #reconciler: Reconciler;
  readonly #defender: Defender;
  readonly #inStep: InStep;
  #stopWatching: () => void = () => undefined;

  /** Directors are made by Director.tun() and Director.memory(). */
  protected constructor(by: never, and: never);
  /** @internal */
  protected constructor(dataplane: Dataplane, model: Model, clock?: Clock);
  protected constructor(dataplane: Dataplane, model: Model, clock: Clock = realClock) {
    this.#dataplane = dataplane;
    this.events = new Events(() => clock.wall());
    this.#caretaker = new Caretaker(dataplane, this.events, clock, () => this.#inStep.tellHost());
    this.#reconciler = this.#caretaker.reconciler;
    this.#reconciler.begin(model);
    this.#caretaker.waitForAll();
    this.#defender = new Defender(dataplane, model.ipvs.sysctls);
    this.#inStep = new InStep(dataplane, this.#caretaker, this.#defender, this.events);
  }

  /**
   * A director over a TUN device of its own, with the host's routes leading into it. Needs CAP_NET_ADMIN.
   * Rejects with VSNAT_CONFIG_INVALID, VSNAT_NO_PERMISSION, VSNAT_NO_TUN, VSNAT_DEVICE_BUSY, VSNAT_HOST_REFUSED or
   * VSNAT_ADDON_MISSING, and then leaves nothing behind. Its threads do not keep the process alive; close() it before the
   * process ends, or routes stay behind until the next start over the same device.
   */
  static async tun(
    configuration: Configuration,
    { log = silent, health = 'on' }: TunDirectorOptions = {},
  ): Promise<Director> {
    const model = modelOf(configuration);
    await preflight(model, { log });
    return Director.start(partsOverTun(model, log, health), model);
  }

  /**
   * The same director over arrays of bytes: no device, no root, no threads, and time is an argument. Any number of them may
   * live in one process. Throws VSNAT_CONFIG_INVALID or VSNAT_ADDON_MISSING. Keeps no process alive.
   */
  static memory(
    configuration: Configuration,
    { clock, health = 'off', log = silent, ...options }: MemoryDirectorOptions = {},
  ): MemoryDirector {
    const model = modelOf(configuration);
    const dataplane = memoryDataplane(model, options);
    try {
      const director = new MemoryDirector(dataplane, model, clock);
      if (health === 'on') director.#caretaker.employ(healthChecks(log));
      return director;
    } catch (error) {
      dataplane.close();
      throw error;
    }
  }

  /**
   * Takes over the dataplane: it is closed when the director is, and also when this start fails.
   * @internal
   */
  static async start<D extends Dataplane>(parts: DirectorParts<D>, model: Model): Promise<Director> {
    const { dataplane } = parts;
    try {
      const director = new Director(dataplane, model, parts.clock);
      parts.start?.(dataplane);
      const host = await parts.prepareHost?.(model, dataplane.facts);
      if (host !== undefined) director.#inStep.lead(host);
      if (parts.ways !== undefined) await director.#inStep.chooseWays(parts.ways, parts.hearOfWays);
      if (parts.health !== undefined) director.#caretaker.employ(parts.health);
      if (parts.memory !== undefined) director.#stopWatching = watchMemory(director.#defender, parts.memory);
      return director;
    } catch (error) {
      dataplane.close();
      throw error;
    }
  }

  /** What the device turned out to be able to do; of a memory device, nothing. */
  get facts(): DeviceFacts {
    return this.#dataplane.facts;
  }

  /** The configuration in force. Settings that need a restart show their old value until then. */
  get model(): Model {
    return this.#reconciler.model;
  }

  /** Of the snapshot published last; a queue that has adopted it reports the same number. */
  get generation(): number {
    return this.#reconciler.generation;
  }

  /**
   * Makes `wanted` the running configuration, whole or not at all, and resolves with what has changed. Live connections go
   * on. Calls are obeyed one after the other. Rejects with VSNAT_CONFIG_INVALID, VSNAT_DATAPLANE or VSNAT_HOST_REFUSED, and
   * then the old configuration runs on.
   */
  apply(wanted: Configuration): Promise<readonly Change[]> {
    return this.change((running) => modelOf(wanted, running));
  }

  /** As apply(), with the new configuration made from the one that runs when its turn has come. */
  change(make: (running: Model) => Model): Promise<readonly Change[]> {
    return this.#inStep.change(make);
  }

  /**
   * Snapshots published so far, and how long the last one took.
   * @internal
   */
  get publishes(): Publishes {
    return this.#reconciler.publishes;
  }

  /** What its checks know of every checked server. */
  health(): readonly CheckedState[] {
    return this.#caretaker.monitor?.states() ?? [];
  }

  /**
   * The same, each put together when it is asked for.
   * @internal
   */
  checked(): readonly Checked[] {
    return this.#caretaker.monitor?.checked() ?? [];
  }

  /**
   * The checks; undefined where nobody checks.
   * @internal
   */
  get monitor(): HealthMonitor | undefined {
    return this.#caretaker.monitor;
  }

  /**
   * Ends the connections that all of the selection fits, and resolves with how many it were. `reset`: both ends of TCP are
   * told; `silence`: nobody is. Throws ChangeRefused for a service or server that is not there.
   */
  async endConnections(selection: ConnectionSelection, ending: Ending = 'reset'): Promise<number> {
    const count = await this.#dataplane.endFlows(selectionOf(selection, this.#reconciler.running), ending);
    const text = `${count} connections ${ending === 'reset' ? 'reset' : 'silenced'} on request`;
    this.events.record({
      kind: 'flows',
      text,
      service: selection.service ?? null,
      server: selection.server ?? null,
      detail: { connections: count, ending },
    });
    return count;
  }

  /** Everything counted since the start, by queue and by slot, or part of it; services() has it by name. */
  counters(part: CountersPart = 'all'): Counters {
    return this.#dataplane.counters(part);
  }

  /** Which defences against floods are on, and how hard they work. */
  get defence(): DefenceState {
    return this.#defender.state;
  }

  /** How translated packets leave, and why; null where there is no device. */
  get egress(): EgressState | null {
    return this.#inStep.ways?.egress ?? null;
  }

  /** How packets come into the device; null of a director without one. */
  get ingress(): IngressState | null {
    return this.#inStep.ways?.ingress ?? null;
  }

  /** Why packets are no longer moved, or null while all is well. There is no way back but a new director. */
  failure(): string | null {
    return this.#dataplane.failure();
  }

  /** What is wrong with the host's routes and rules, or null. It is mended as soon as the kernel allows. */
  hostTrouble(): string | null {
    return this.#inStep.hostTrouble();
  }

  /** Services and servers with their numbers; hand in counters to read several things from one moment. */
  services(counters: Counters = this.counters()): readonly ServiceReport[] {
    return [...this.listing(counters)].map(wholeService);
  }

  /**
   * The same, each put together when it is asked for: of many servers, all at once holds everything else up.
   * @internal
   */
  listing(counters: Counters = this.counters()): Listing<ServiceListing> {
    return this.#reconciler.services(counters);
  }

  /**
   * What services and servers have counted, and nothing more.
   * @internal
   */
  tallies(): Iterable<ServiceTally> {
    return this.#reconciler.running.tallies(this.counters('traffic'));
  }

  /** A page of the tracked connections, about `limit` of them. Start with cursor 0, go on with `next` until it is null. */
  connections(cursor = 0, limit = 1000): ConnectionPage {
    return this.#reconciler.running.connections(this.#dataplane.flows(cursor, limit));
  }

  /** What would become of the first packet of a connection, and why. Nothing is changed by asking. */
  explain(tuple: Tuple): Promise<Explanation> {
    return explainRunning(tuple, {
      dataplane: this.#dataplane,
      services: this.#reconciler.running.explained(),
      ipvs: this.model.ipvs,
    });
  }

  /** Gives the host back as it was, then ends the dataplane. Idempotent; safe while an apply() is under way. */
  close(): Promise<void> {
    this.#stopWatching();
    return this.#inStep.close();
  }
}

/** A director without a device: whoever has it hands in the packets. */
export class MemoryDirector extends Director {
  readonly #memory: MemoryDataplane;

  /** Made by Director.memory(). */
  constructor(by: never, and: never);
  /** @internal */
  constructor(dataplane: MemoryDataplane, model: Model, clock?: Clock);
  constructor(dataplane: MemoryDataplane, model: Model, clock?: Clock) {
    super(dataplane, model, clock);
    this.#memory = dataplane;
  }

  /** One packet in, what leaves because of it out. The time of packets must not go back. Throws VSNAT_DATAPLANE. */
  process(packet: MemoryPacket): ProcessedPacket {
    return this.#memory.process(packet);
  }

  /** Forgets the connections whose time has run out at `nowMs`, on the clock of the packets. */
  expire(nowMs: number): void {
    this.#memory.expire(nowMs);
  }

  /** Serves a stream of packets, such as a device of tuntap2. The stream stays the caller's to close. */
  attach(stream: PacketStream, options?: AttachOptions): AttachedStream {
    return attachStream(this.#memory, stream, options);
  }
}
