// SPDX-License-Identifier: Apache-2.0
/**
 * What every kind of check is to the monitor: something that asks one server one question. A checker knows nothing of
 * time: attempt.ts gives up at the deadline, measures, and cleans messages, for all of them in one place.
 *
 * The rules of a checker:
 *   - `finish` is called at most once, never from within ask(), and everything is released by then. What ask() throws is
 *     the answer.
 *   - stop() releases everything at once; `finish` is not called after it.
 *   - What a peer sends is bounded before it is kept, and is never taken for anything but an answer.
 */
import type { CheckKind, IpAddress, Question } from '../model/index.js';
import type { BadReason, FailureReason, SkippedReason } from './reason.js';
import type { Detour } from './state.js';

export interface Target {
  readonly address: IpAddress;
  readonly port: number;
  /** Address the check comes from; null: the kernel's choice. */
  readonly source: IpAddress | null;
  /** Instead of all of the above, where the check goes through the dataplane. */
  readonly detour: Detour | null;
  readonly service: string;
  readonly server: string;
  /** A checker that must tell others about it (exec, module) does; the deadline is kept by whoever asks. */
  readonly timeoutMs: number;
}

export interface Answer {
  readonly result: 'good' | 'bad' | /** Our own fault. */ 'skipped';
  /** null of a good one. */
  readonly reason: FailureReason | null;
  /** Why, as a clause: "status 503, not in 200-399". May hold a peer's bytes; whoever shows it escapes it. */
  readonly message: string;
  /** Absent: nothing is said about it. */
  readonly weightPercent?: number;
  readonly drain?: boolean;
}

export interface Asking {
  /** How far it has come, as a clause: "connected, no status line yet". */
  progress(): string;
  /** Where there must be a connection before anything else: whether there is none yet. */
  isConnecting?(): boolean;
  stop(): void;
  /** Where silence until the deadline may be an answer. */
  silence?(): Answer | undefined;
}

export type Finish = (answer: Answer) => void;

/** Asks questions of one kind. */
export interface Checker<Q extends Question = Question> {
  ask(question: Q, target: Target, finish: Finish): Asking;
  /** Where something is kept for a question: one more server is asked it again and again from now on. */
  admit?(question: Q): void;
  /** One server less is. */
  dismiss?(question: Q): void;
  /** Of what outlives a single question: shared sockets, children that were killed. */
  close?(): Promise<void>;
}

/** Thrown by ask(): this host cannot put the question just now. */
export class CannotAsk extends Error {
  override readonly name = 'CannotAsk';

  constructor(
    readonly reason: SkippedReason,
    message: string,
  ) {
    super(message);
  }
}

type Having<K, Q extends Question> = Q extends Question ? (K extends Q['kind'] ? Q : never) : never;

/** The question of a kind: that of 'http' is also that of 'https'. */
export type QuestionOf<K extends CheckKind> = Having<K, Question>;

/** One for each kind. */
export type Checkers = { readonly [K in CheckKind]: Checker<QuestionOf<K>> };

export const good = (message: string, more: Partial<Answer> = {}): Answer => ({
  result: 'good',
  reason: null,
  message,
  ...more,
});
export const bad = (reason: BadReason, message: string): Answer => ({ result: 'bad', reason, message });
export const skipped = (reason: SkippedReason, message: string): Answer => ({
  result: 'skipped',
  reason,
  message,
});
