// SPDX-License-Identifier: Apache-2.0
/**
 * What somebody writes who wants a scheduler of their own: a module whose default export is a `CustomScheduler`. It
 * turns servers, and what is known of their load, into a plan; the dataplane picks from the plan, and JavaScript is not
 * asked again until the servers change or `replanEvery` has passed.
 */
import type { Endpoint, Protocol } from './endpoint.js';
import type { Plan } from './plan.js';

/** A real server as schedulers see it. */
export interface SchedulerServer extends Endpoint {
  /** 0..65535; 0 takes no new connections. */
  readonly weight: number;
  /** The last weight above 0 this server had. */
  readonly lastWeight?: number;
}

/** What ran until now, planned by the same scheduler. Left out when a service is new or changes its scheduler. */
export interface Past {
  readonly plan: Plan;
  /** The servers `plan` was made from, so that its indexes mean something. */
  readonly servers: readonly SchedulerServer[];
  /** Steps a cycle plan has taken since it was published, skipped ones included. */
  readonly cursor: number;
}

/** Times measured by the dataplane while packets passed, since the last plan. */
export interface Latency {
  /** Samples. 0: nothing was measured, and the numbers below are null. */
  readonly count: number;
  readonly meanMs: number | null;
  /** Upper end of the bucket the quantile falls in; Infinity beyond the last. */
  readonly medianMs: number | null;
  readonly p99Ms: number | null;
}

/** One server's load at the moment of planning. Numbers "since the last plan" are 0 in the first. */
export interface ServerLoad {
  /** Connections of now: established or opening, and closing (UDP: all). */
  readonly active: number;
  readonly inactive: number;
  /** At `max_connections`, and not yet below `resume_connections`. */
  readonly overloaded: boolean;
  /** New connections since the last plan, and per second. */
  readonly newConnections: number;
  readonly connectionsPerSecond: number;
  readonly inBytesPerSecond: number;
  readonly outBytesPerSecond: number;
  /** TCP: SYN to SYN-ACK; SCTP: INIT to INIT ACK. Without the client's own network. */
  readonly handshake: Latency;
  /** First payload of the client to the first of the server behind it; UDP: first datagram to first reply. */
  readonly firstByte: Latency;
  /** Since the last plan: segments that had been seen before, in both directions. */
  readonly retransmissions: number;
  /** Since the last plan: handshakes answered with RST or not at all. */
  readonly handshakesFailed: number;
}

/** What a scheduler is told beside servers and loads. */
export interface PlanContext<Options = Readonly<Record<string, unknown>>> {
  /** Name of the virtual service. */
  readonly service: string;
  /** Of everything the service listens on, each once. UDP connections are never active. */
  readonly protocols: readonly Protocol[];
  /** `scheduler_options` of the configuration, checked against `options`; {} without any. */
  readonly options: Options;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  readonly past?: Past;
  /**
   * What this scheduler left here when it planned for this service before; empty at first and after the module has
   * changed. Values must be cloneable (structuredClone). Changes of a plan() that fails are forgotten.
   */
  readonly memory: Map<string, unknown>;
}

/**
 * A scheduler of one's own. The simplest:
 *
 *     export default { name: 'mine', plan: (servers) => ({ kind: 'cycle', lead: [], loop: servers.map((_, i) => i) }) };
 */
export interface CustomScheduler<Options = Readonly<Record<string, unknown>>> {
  /** 1..31 of a-z, 0-9, dash and underscore, a letter first; none of the kernel's names. Shown in listings. */
  readonly name: string;
  /** Milliseconds from one plan to the next, 100 at least. Left out: plans are made when servers change only. */
  readonly replanEvery?: number;
  /** JSON Schema (2020-12) of `scheduler_options`. Left out: none are accepted. */
  readonly options?: Readonly<Record<string, unknown>>;
  /**
   * Indexes of the plan are positions in `servers`, which is in the order of the configuration, as is `loads`. Must
   * return within a second. Throwing, and plans that are not valid, are failures: the last good plan stays.
   */
  plan(
    servers: readonly SchedulerServer[],
    loads: readonly ServerLoad[],
    context: PlanContext<Options>,
  ): Plan;
}

/** A custom scheduler in use: which, and with what options. */
export interface SchedulerProgram {
  /** As the configuration names it: `peak-ewma`, `./my-scheduler.js`; `code:` and its name where code made it. */
  readonly reference: string;
  /** Another one whenever the code may be another. */
  readonly version: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly scheduler: CustomScheduler;
}

/** A program of a scheduler that code made: imported, or written where it is used. */
export function schedulerProgram(
  scheduler: CustomScheduler,
  options: SchedulerProgram['options'] = {},
): SchedulerProgram {
  return { reference: `code:${scheduler.name}`, version: versionOf(scheduler), options, scheduler };
}

/** Functions cannot be compared, so each scheduler object counts as a version of its own. */
function versionOf(scheduler: CustomScheduler): string {
  const known = versions.get(scheduler) ?? `code ${++versionsGiven}`;
  versions.set(scheduler, known);
  return known;
}

const versions = new WeakMap<CustomScheduler, string>();
let versionsGiven = 0;

/** Nothing measured: what `plan()` gets before the first packet. */
export const noLatency: Latency = { count: 0, meanMs: null, medianMs: null, p99Ms: null };

/** A server nobody has used yet. */
export const noLoad: ServerLoad = {
  active: 0,
  inactive: 0,
  overloaded: false,
  newConnections: 0,
  connectionsPerSecond: 0,
  inBytesPerSecond: 0,
  outBytesPerSecond: 0,
  handshake: noLatency,
  firstByte: noLatency,
  retransmissions: 0,
  handshakesFailed: 0,
};
