// SPDX-License-Identifier: Apache-2.0
/**
 * A dataplane that moves nothing: it checks what it is handed as the native one would, records it, and answers with
 * counters the test sets. Policy is tested against this, without root and without the addon.
 */
import { applyDelta } from './delta.js';
import { VsnatError } from '../errors.js';
import type {
  CheckCounters,
  CheckLeads,
  Counters,
  Dataplane,
  DefenceSpec,
  DeviceFacts,
  Ending,
  FlowPage,
  FlowRow,
  FlowSelection,
  FlowTableCounters,
  Limits,
  QueueCounters,
  ServerCounters,
  ServerTotals,
  ServerLoad,
  ServiceCounters,
  ServiceSpec,
  SnapshotDelta,
  SnapshotSpec,
} from './dataplane.js';
import { noSignals } from './signals.js';
import type { SignsWatch } from './signs.js';

export interface FakeOptions {
  readonly queues?: number;
  readonly limits?: Limits;
  readonly capacity?: number;
}

export class FakeDataplane implements Dataplane {
  readonly facts: DeviceFacts;
  readonly limits: Limits;
  /** Every snapshot published, oldest first. */
  readonly published: SnapshotSpec[] = [];
  /** Those of them that were told by what has changed. */
  readonly updates: SnapshotDelta[] = [];
  /** What was asked to be ended, oldest first. */
  readonly ended: { readonly selection: FlowSelection; readonly ending: Ending }[] = [];
  /** How many connections each such order finds. */
  flowsToEnd = 0;
  /** Every order to the defences, oldest first. */
  readonly defended: DefenceSpec[] = [];
  isDirect = false;
  /** Interfaces that packets are taken from. */
  taken: readonly number[] = [];
  ingressPackets = 0;
  checkLeads: CheckLeads | null = null;
  /** What counters() tells of checks through a VIP. */
  checks: CheckCounters = { connections: 0, inPackets: 0, outPackets: 0, flows: 0 };
  /** What flows() walks. */
  rows: FlowRow[] = [];
  /** Thrown by the next publish(), once. */
  failNext: Error | undefined;
  /** Set to false to play a worker that has not yet looked at the newest snapshot. */
  adopting = true;
  /** What failure() answers. */
  broken: string | null = null;
  started = false;
  closed = false;
  countersCalls = 0;
  readonly #queues: QueueCounters[];
  readonly #servers = new Map<number, ServerCounters>();
  readonly #services = new Map<number, ServiceCounters>();
  #flowTable: FlowTableCounters;

  constructor({
    queues = 1,
    limits = { serverSlots: 64, serviceSlots: 16 },
    capacity = 1024,
  }: FakeOptions = {}) {
    this.limits = limits;
    this.facts = {
      name: 'fake0',
      index: 7,
      queues,
      vnetHeader: true,
      checksumOffload: true,
      tso4: true,
      tso6: true,
      uso4: false,
      uso6: false,
      steering: 'none',
      directEgress: true,
      directRefusal: null,
      directIngress: true,
      ingressRefusal: null,
      shortcuts: true,
      uring: false,
      uringRefusal: null,
    };
    this.#queues = Array.from({ length: queues }, (_, queue) => emptyQueue(queue));
    this.#flowTable = { capacity, flows: 0, expired: 0, evicted: 0, bytes: capacity * 128, templates: 0 };
  }

  publish(snapshot: SnapshotSpec): number {
    return this.#take(snapshot, snapshot.services);
  }

  update(delta: SnapshotDelta): number {
    const generation = this.#take(applyDelta(this.#last, delta), delta.services);
    this.updates.push(delta);
    return generation;
  }

  /** What the last publish or update has made. */
  get #last(): SnapshotSpec {
    return this.published.at(-1) ?? { services: [], removedServer: 'reset' };
  }

  #take(snapshot: SnapshotSpec, changed: readonly ServiceSpec[]): number {
    this.#assertOpen();
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure !== undefined) throw failure;
    assertSlots(snapshot, this.limits);
    this.published.push(snapshot);
    const generation = this.published.length;
    if (this.adopting) this.#queues.forEach((_, queue) => this.setQueue(queue, { generation }));
    for (const service of changed) {
      this.setService(service.slot, service.continues === true ? {} : { cursor: 0 });
      for (const server of service.servers) this.setServer(server.slot, {});
    }
    return generation;
  }

  swapSeconds(): number {
    return 0.001;
  }

  cursor(serviceSlot: number): number {
    return this.#services.get(serviceSlot)?.cursor ?? 0;
  }

  load(serverSlot: number): ServerLoad {
    const { active, inactive, persistent } = this.#servers.get(serverSlot) ?? emptyServer(serverSlot);
    return { active, inactive, persistent };
  }

  signs({ slots, seen }: SignsWatch): Float64Array {
    const rows = [...slots].flatMap((slot, place) => {
      const { inPackets, outPackets, connections, signals } = this.#servers.get(slot) ?? emptyServer(slot);
      const packets = inPackets + outPackets;
      if (packets === seen[place]) return [];
      seen[place] = packets;
      const { handshake, handshakesAmbiguous, firstByte, firstBytesAmbiguous } = signals;
      const answers = handshake.count + handshakesAmbiguous + firstByte.count + firstBytesAmbiguous;
      const { synRepeated, handshakesRefused, resets, unreachable } = signals;
      return [place, connections, answers, synRepeated, handshakesRefused, resets, unreachable];
    });
    return Float64Array.from(rows);
  }

  endFlows(selection: FlowSelection, ending: Ending): Promise<number> {
    this.#assertOpen();
    this.ended.push({ selection, ending });
    return Promise.resolve(this.flowsToEnd);
  }

  direct(on: boolean): void {
    this.#assertOpen();
    this.isDirect = on;
  }

  takeDirectly(interfaces: readonly number[]): number {
    this.#assertOpen();
    this.taken = interfaces;
    return 0;
  }

  defend(defence: DefenceSpec): void {
    this.#assertOpen();
    this.defended.push(defence);
  }

  counters(): Counters {
    this.#assertOpen();
    this.countersCalls += 1;
    const [servers, services] = [new Map(this.#servers), new Map(this.#services)];
    return {
      queues: [...this.#queues],
      servers: [...servers.values()],
      services: [...services.values()],
      flowTable: this.#flowTable,
      totals: totalsOf([...servers.values()]),
      checks: this.checks,
      ingressPackets: this.ingressPackets,
      shortcuts: 0,
      serverAt: (slot) => servers.get(slot),
      serviceAt: (slot) => services.get(slot),
    };
  }

  flows(cursor: number, limit: number): FlowPage {
    this.#assertOpen();
    const end = cursor + limit;
    return { rows: this.rows.slice(cursor, end), next: end < this.rows.length ? end : null };
  }

  start(): void {
    this.#assertOpen();
    this.started = true;
  }

  failure(): string | null {
    return this.broken;
  }

  close(): void {
    this.closed = true;
  }

  setQueue(queue: number, counters: Partial<QueueCounters>): void {
    this.#queues[queue] = { ...(this.#queues[queue] ?? emptyQueue(queue)), ...counters };
  }

  setServer(slot: number, counters: Partial<ServerCounters>): void {
    this.#servers.set(slot, { ...(this.#servers.get(slot) ?? emptyServer(slot)), ...counters });
  }

  setService(slot: number, counters: Partial<ServiceCounters>): void {
    const before = this.#services.get(slot) ?? { slot, connections: 0, scheduleFailures: 0, cursor: 0 };
    this.#services.set(slot, { ...before, ...counters });
  }

  setFlowTable(counters: Partial<FlowTableCounters>): void {
    this.#flowTable = { ...this.#flowTable, ...counters };
  }

  #assertOpen(): void {
    if (this.closed)
      throw new VsnatError('VSNAT_DATAPLANE', 'dataplane: must be open, got a call after close()');
  }
}

/** A slot out of range or used twice would make two servers share counters: the native side refuses it as well. */
function assertSlots(snapshot: SnapshotSpec, limits: Limits): void {
  const services = new Set<number>();
  const servers = new Set<number>();
  for (const service of snapshot.services) {
    assertSlot('service', service.slot, limits.serviceSlots, services);
    for (const server of service.servers) assertSlot('server', server.slot, limits.serverSlots, servers);
    assertGrouping(service);
  }
}

/** What src/config has checked already: ports and protocols that only some services may have. */
function assertGrouping({ listen, persistence, mark, onePacket = false }: ServiceSpec): void {
  const isGroup = persistence !== undefined || mark !== undefined;
  const isWrong = listen.some(
    ({ port, protocol }) =>
      (port === 0 && !isGroup) || (onePacket && mark === undefined && protocol !== 'udp'),
  );
  if (isWrong)
    throw new VsnatError(
      'VSNAT_DATAPLANE',
      'snapshot: every port needs persistence or a mark, and one packet needs udp',
    );
}

function assertSlot(what: string, slot: number, slots: number, taken: Set<number>): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots || taken.has(slot)) {
    throw new VsnatError(
      'VSNAT_DATAPLANE',
      `snapshot: ${what} slot must be free and below ${slots}, got ${slot}`,
    );
  }
  taken.add(slot);
}

function emptyQueue(queue: number): QueueCounters {
  return {
    queue,
    rxPackets: 0,
    rxBytes: 0,
    txPackets: 0,
    txBytes: 0,
    forwarded: 0,
    passed: 0,
    fragmentsHeld: 0,
    fragmentsReleased: 0,
    dropped: { truncated: 0, no_server: 0 },
    generated: { tcp_reset: 0, echo_reply: 0 },
    txFailed: 0,
    rxGso: 0,
    gsoResegmented: 0,
    syscallsRead: 0,
    syscallsWrite: 0,
    syscallsPoll: 0,
    foreignFlows: 0,
    suspectResets: 0,
    ambiguousReplies: 0,
    entriesDropped: 0,
    orphansEnded: 0,
    flowsEnded: 0,
    ftpAnnounced: 0,
    ftpIgnored: 0,
    directPackets: 0,
    shortcutPackets: 0,
    shortcutBytes: 0,
    directUnresolved: 0,
    directRefused: 0,
    busyNanoseconds: 0,
    generation: 0,
  };
}

function emptyServer(slot: number): ServerCounters {
  return {
    slot,
    active: 0,
    inactive: 0,
    persistent: 0,
    overloaded: false,
    connections: 0,
    inPackets: 0,
    inBytes: 0,
    outPackets: 0,
    outBytes: 0,
    signals: noSignals,
  };
}

const totalsOf = (servers: readonly ServerCounters[]): ServerTotals => {
  const sum = (name: keyof ServerTotals): number =>
    servers.reduce((total, server) => total + server[name], 0);
  return {
    connections: sum('connections'),
    inPackets: sum('inPackets'),
    inBytes: sum('inBytes'),
    outPackets: sum('outPackets'),
    outBytes: sum('outBytes'),
  };
};
