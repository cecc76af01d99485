// SPDX-License-Identifier: Apache-2.0
/**
 * What health/ tells the rest of the director, and what it wants from it. Verdicts are about a server of one service;
 * that several services may share one probe of a server is a matter of cost and not seen here, except in `facts`.
 */
import type { CheckKind, HealthCheck, IpAddress, Model } from '../model/index.js';
import type { Checkers } from './checker.js';
import type { Clock } from './clock.js';
import type { FailureReason } from './reason.js';
import type { WantedProbe } from './wanted.js';

/** `unknown`: no check of it has been answered yet. */
export type Verdict = 'unknown' | 'up' | 'down';

/** One check of a server. */
export interface CheckState {
  readonly kind: CheckKind;
  readonly verdict: Verdict;
  /** Unix milliseconds of the last answer; null: none yet. */
  readonly lastAt: number | null;
  readonly lastDurationMs: number | null;
  /** Why it failed or was skipped; null: it was good, or there is none yet. */
  readonly lastReason: FailureReason | null;
  /** Printable, at most 200 characters; '' before the first answer. */
  readonly lastMessage: string;
  /** Answers like the last one in a row: positive of good ones, negative of bad ones. */
  readonly consecutive: number;
  readonly rise: number;
  readonly fall: number;
}

/** A server of a service, all its checks taken together. Servers without checks have none of these. */
export interface CheckedState {
  readonly service: string;
  /** serverId() */
  readonly server: string;
  /** down: a check is. up: all are. */
  readonly verdict: Verdict;
  /** What agent, module or exec gave, the least of several; null: nothing was said. 0..100 as a rule, more is possible. */
  readonly weightPercent: number | null;
  /** An agent or a module wants no new connections for it. */
  readonly drainAsked: boolean;
  /** Checked faster, because its connections or its last answers look bad. */
  readonly suspect: boolean;
  /** Unix milliseconds of the last change of `verdict`. */
  readonly since: number;
  readonly checks: readonly CheckState[];
}

/** A server of which somebody may ask how it is. */
export interface Checked extends Pick<CheckedState, 'service' | 'server'> {
  state(): CheckedState;
}

/** Upper ends of the buckets of check durations, in seconds; one more bucket takes what is slower. */
export const durationBounds: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Counted since the start. A check that several services share counts for each of them. */
export interface CheckTotals {
  readonly service: string;
  readonly server: string;
  readonly kind: CheckKind;
  readonly good: number;
  readonly bad: number;
  /** Not asked for a reason of this host's own: no file descriptor left, no permission. Says nothing of the server. */
  readonly skipped: number;
}

export interface CheckDurations {
  readonly service: string;
  readonly kind: CheckKind;
  /** By bucket, not added up; one more than there are bounds. */
  readonly counts: readonly number[];
  /** Seconds of all of them. */
  readonly sum: number;
}

export interface Transitions {
  readonly service: string;
  readonly server: string;
  readonly up: number;
  readonly down: number;
  /** Times it became suspect. */
  readonly suspected: number;
}

export interface HealthFacts {
  /** Questions asked regularly; services that share a server and its check share one. */
  readonly probes: number;
  /** Under way now. */
  readonly running: number;
  /** Due, and waiting because too many are under way. */
  readonly queued: number;
  /** Checks that failed or were skipped, by why; one that several services share counts once. */
  readonly failures: Readonly<Record<FailureReason, number>>;
  /** What there is of every server, as it is when it is gone through. */
  readonly totals: Iterable<CheckTotals>;
  readonly durations: readonly CheckDurations[];
  readonly transitions: Iterable<Transitions>;
}

export interface HealthMonitor {
  /** Begins what is new in `model`, ends what is gone, and leaves alone what is the same. */
  update(model: Model): void;
  states(): readonly CheckedState[];
  /** The same, each when it is asked for. */
  checked(): readonly Checked[];
  /** undefined: not checked. */
  state(service: string, server: string): CheckedState | undefined;
  facts(): HealthFacts;
  /** Something else saw this server fail: checks that listen to it (`passive`) come sooner. */
  suspect(service: string, server: string, why: string): void;
  /** Ends all checks; when it resolves no socket, timer or process is left. Idempotent. */
  close(): Promise<void>;
}

export interface MonitorParts {
  /** All states that changed (verdict, weight, drain, suspicion), once per turn of the event loop; not the first 'unknown'. */
  readonly onChange: (states: readonly CheckedState[]) => void;
  /** Worth a line in a log: a verdict changed, and why; a check could not be asked. */
  readonly onNotice?: (notice: HealthNotice) => void;
  /** makeCheckers() unless a test says otherwise. */
  readonly checkers: Checkers;
  /** Where checks `through: vip` connect from and to. Without it they cannot be asked. */
  readonly connectThrough?: ConnectThrough;
  /** Checks under way at once. */
  readonly concurrency?: number;
  readonly clock?: Clock;
  /** 0..1, as Math.random. */
  readonly random?: () => number;
}

export interface HealthNotice {
  readonly what: 'verdict' | 'suspicion' | 'skipped';
  readonly level: 'info' | 'warn';
  readonly service: string;
  readonly server: string;
  readonly kind: CheckKind;
  /** null: nothing failed. */
  readonly reason: FailureReason | null;
  readonly text: string;
}

/** A way to one server that leads through the dataplane. */
export interface Detour {
  /** Where to connect to. */
  readonly destination: { readonly address: IpAddress; readonly port: number };
  /**
   * The descriptor of a socket that is bound to where the check must come from, for whoever takes it to close. Called at
   * most once; throws as Node does when the host has none.
   */
  open(): number;
  /** The check is over; called once. */
  release(): void;
}

/** What the way to a server depends on. */
export type Wanderer = Pick<WantedProbe, 'service' | 'server' | 'port'> & {
  readonly check: Pick<HealthCheck, 'question' | 'port' | 'source'>;
};

/** null: there is no way just now; the check is skipped. */
export type ConnectThrough = (wanderer: Wanderer) => Detour | null;
