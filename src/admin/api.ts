// SPDX-License-Identifier: Apache-2.0
/**
 * What goes over the admin socket, as types the daemon and the commands share. docs/admin-api.md describes the same
 * for everybody else. Fields are added, never renamed or given another meaning.
 */
import type { DeviceFacts, Ending, FlowTableCounters } from '../dataplane/dataplane.js';
import type { RefusalReason } from '../director/change-refused.js';
import type { ConnectionSelection } from '../director/connection-selection.js';
import type { Change } from '../director/diff.js';
import type { DirectorEvent } from '../director/events.js';
import type { Explanation, Tuple } from '../director/explain.js';
import type { EgressState, IngressState } from '../director/ways.js';
import type { Operation } from '../director/operation.js';
import type { Listing } from '../director/listing.js';
import type { ConnectionRow, ServerReport, ServiceListing, ServiceReport } from '../director/report.js';
import type { ReloadFacts } from '../director/reload.js';
import type { NumbersListing, ServiceNumbers } from '../director/numbers.js';
import type { Precondition, Settled } from '../director/run-time.js';
import type { TableListing } from '../director/table.js';
import type { ErrorCode } from '../errors.js';
import type { Checked, CheckedState } from '../health/state.js';
import type { EventSource } from './event-streams.js';

/** starting: the socket is held, but nothing is balanced yet. */
export type DaemonState = 'starting' | 'ready' | 'stopping';

export interface StatusAnswer {
  readonly pid: number;
  readonly version: string;
  readonly state: DaemonState;
  readonly configFile: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** null while starting. */
  readonly director: DirectorStatus | null;
}

export interface DirectorStatus {
  readonly generation: number;
  /** Whether every queue works with that generation. */
  readonly adopted: boolean;
  readonly services: number;
  readonly servers: number;
  readonly device: DeviceFacts;
  /** null where there is no device. */
  readonly ingress: IngressState | null;
  readonly egress: EgressState | null;
  /** Connections that go through the kernel alone at the moment. */
  readonly shortcuts: number;
  readonly flowTable: FlowTableCounters;
  readonly packets: {
    readonly received: number;
    readonly forwarded: number;
    readonly passed: number;
    readonly generated: number;
    /** By reason, those above zero. */
    readonly dropped: Readonly<Record<string, number>>;
  };
  readonly reloads: ReloadFacts;
  /** host:port, or null when metrics are off. */
  readonly metricsListen: string | null;
}

/** `signals` are there when they were asked for. */
export type ServerAnswer = Omit<ServerReport, 'signals'> & Partial<Pick<ServerReport, 'signals'>>;

export type ServiceAnswer = Omit<ServiceReport, 'servers'> & { readonly servers: readonly ServerAnswer[] };

export interface ServicesAnswer {
  readonly services: readonly ServiceAnswer[];
  /** Give it back as `cursor`; null at the end, and when no limit was asked for. */
  readonly next: number | null;
}

export interface ServersAnswer {
  readonly servers: readonly (ServerAnswer & { readonly service: string })[];
  readonly next: number | null;
}

export interface FlowsAnswer {
  readonly rows: readonly ConnectionRow[];
  /** Give it back as `cursor`; null at the end. A page may be empty and still have a next one. */
  readonly next: number | null;
}

export interface ReloadAnswer {
  readonly result: 'applied' | 'unchanged' | 'would-apply';
  readonly changes: readonly Change[];
  /** Of a dry run: what was changed at run time and the file would undo. */
  readonly lost?: readonly Change[];
  /** Of the configuration that runs now, quoted as If-Match takes it. */
  readonly revision: string;
}

export interface ChangeAnswer {
  readonly changes: readonly Change[];
  /** Sentences for whoever asked: what was obeyed and may still surprise. */
  readonly notes: readonly string[];
  /** Nothing was changed. */
  readonly dryRun: boolean;
  readonly revision: string;
}

/** GET /v1/events?follow=0 */
export interface EventsAnswer {
  readonly events: readonly DirectorEvent[];
  /** Events after the number asked for that are no longer kept. */
  readonly missed: number;
  readonly last: number;
}

export interface HealthAnswer {
  readonly servers: readonly CheckedState[];
  readonly next: number | null;
}

export interface StatsAnswer {
  readonly services: readonly ServiceNumbers[];
}

/** Something that runs and is not in the file. */
export type AuthoredChange = Change & {
  /** Unix milliseconds; null for what only follows from other changes. */
  readonly at: number | null;
  /** Who asked for it. */
  readonly by: string | null;
};

export interface ChangesAnswer {
  readonly changes: readonly AuthoredChange[];
  readonly revision: string;
}

export interface EndFlowsAnswer {
  readonly ended: number;
}

export interface ZeroAnswer {
  readonly result: 'zeroed';
}

export interface ErrorAnswer {
  readonly error: {
    readonly code: ErrorCode | 'HTTP';
    readonly message: string;
    /** Of a configuration: one line for each mistake. */
    readonly problems?: readonly string[];
    /** Of a refused change: why, for machines. */
    readonly reason?: RefusalReason;
  };
}

/** How a change is to be made. */
export interface ChangeOptions {
  /** Only say what it would change. */
  readonly dryRun: boolean;
  readonly precondition: Precondition;
  /** Who asks (director/asker.ts). */
  readonly by: string;
}

/** An answer as the daemon gives it; the API writes revisions as tags. */
export type Done<Answer extends { readonly revision: string }> = Omit<Answer, 'revision'> & {
  readonly revision: number;
};

/**
 * What the daemon must be able to do for its API. Before it can, the routes answer 503. Whatever is refused, throws. What may
 * be long is listed, not made: its answer is written piece by piece (json-pieces.ts).
 */
export interface AdminActions {
  directorStatus(): DirectorStatus;
  services(): Listing<ServiceListing>;
  connections(cursor: number, limit: number): FlowsAnswer;
  explain(tuple: Tuple): Promise<Explanation>;
  reload(options: ChangeOptions): Promise<Done<ReloadAnswer>>;
  /** The services as ipvsadm sees them. */
  table(): Promise<TableListing>;
  /** Totals and rates, by name. */
  numbers(): Promise<Listing<NumbersListing>>;
  /** The configuration that runs, once nothing is under way. */
  settled(): Promise<Settled>;
  /** All operations or none. */
  change(operations: readonly Operation[], options: ChangeOptions): Promise<Done<ChangeAnswer>>;
  /** Ends the connections that all of the selection fits; how many it were. */
  endConnections(selection: ConnectionSelection, ending: Ending): Promise<number>;
  /** What the checks know of every checked server. */
  health(): Iterable<Checked>;
  events(): EventSource;
  /** Of one service ("tcp://10.9.0.1:80") or, null, of all. */
  zero(service: string | null): void;
}
