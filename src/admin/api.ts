// SPDX-License-Identifier: Apache-2.0
/**
 * What goes over the admin socket, as types the daemon and the commands share. docs/admin-api.md describes the same
 * for everybody else. Fields are added, never renamed or given another meaning.
 */
import type { DeviceFacts, FlowTableCounters } from '../dataplane/dataplane.js';
import type { RefusalReason } from '../director/change-refused.js';
import type { Change } from '../director/diff.js';
import type { Operation } from '../director/operation.js';
import type { ConnectionRow, ServiceReport } from '../director/report.js';
import type { ReloadFacts } from '../director/reload.js';
import type { ErrorCode } from '../errors.js';
import type { Table } from '../ipvsadm/index.js';

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

export interface ServicesAnswer {
  readonly services: readonly ServiceReport[];
}

export interface FlowsAnswer {
  readonly rows: readonly ConnectionRow[];
  /** Give it back as `cursor`; null at the end. A page may be empty and still have a next one. */
  readonly next: number | null;
}

export interface ReloadAnswer {
  readonly result: 'applied' | 'unchanged';
  readonly changes: readonly Change[];
}

export interface ChangeAnswer {
  readonly changes: readonly Change[];
  /** Sentences for whoever asked: what was obeyed and may still surprise. */
  readonly notes: readonly string[];
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

/** What the daemon must be able to do for its API. Before it can, the routes answer 503. */
export interface AdminActions {
  directorStatus(): DirectorStatus;
  services(): readonly ServiceReport[];
  connections(cursor: number, limit: number): FlowsAnswer;
  reload(): Promise<ReloadAnswer | ErrorAnswer>;
  /** The services as ipvsadm sees them. */
  table(): Table;
  /** All operations or none; throws. */
  change(operations: readonly Operation[]): Promise<ChangeAnswer>;
  /** Of one service ("tcp://10.9.0.1:80") or, null, of all; throws. */
  zero(service: string | null): void;
}
