// SPDX-License-Identifier: Apache-2.0
/**
 * One question asked of one server again and again, on behalf of all services that want to know. It holds what was
 * answered and says when to ask next; it does not ask, and knows no clock.
 */
import type { Attempt, CheckResult } from './attempt.js';
import { damp, isInDoubt, undecided, type Damped } from './dampener.js';
import type { HeapEntry } from './heap.js';
import type { FailureReason } from './reason.js';
import type { CheckState, Verdict } from './state.js';
import { noCounts } from './tally.js';
import type { WantedProbe } from './wanted.js';

interface LastAnswer {
  readonly at: number;
  readonly durationMs: number;
  readonly reason: FailureReason | null;
  readonly message: string;
}

export class Probe implements HeapEntry {
  at = 0;
  place = -1;
  running: Attempt | undefined;
  /** Its first question came at a random moment of the whole interval already. */
  isSpread = false;
  /** When it was last begun, by the monitor's clock. */
  startedAt = 0;
  readonly counts = noCounts();
  #damped: Damped = undecided;
  #last: LastAnswer | undefined;
  #asked = 0;
  #suspectLeft = 0;
  #weightPercent: number | null = null;
  #drainAsked = false;

  constructor(readonly wanted: WantedProbe) {}

  get verdict(): Verdict {
    return this.#damped.verdict;
  }

  get weightPercent(): number | null {
    return this.#weightPercent;
  }

  get drainAsked(): boolean {
    return this.#drainAsked;
  }

  get isSuspect(): boolean {
    return this.#suspectLeft > 0;
  }

  /** True when that is news. It ends after as many good answers in a row as bad ones would take the server down. */
  suspect(): boolean {
    if (this.verdict === 'down') return false; // there is nothing left to suspect
    const isNews = !this.isSuspect;
    this.#suspectLeft = this.wanted.check.timing.fall;
    return isNews;
  }

  /** True when a listener sees a difference: verdict, weight, drain, suspicion. */
  take(result: CheckResult, wall: number): boolean {
    this.counts[result.result] += 1;
    const { durationMs, reason, message } = result;
    this.#last = { at: wall, durationMs, reason, message };
    if (result.result === 'skipped') return false;
    const before = [this.verdict, this.#weightPercent, this.#drainAsked, this.isSuspect];
    const isGood = result.result === 'good';
    this.#damped = damp(this.#damped, isGood, this.wanted.check.timing);
    if (this.#suspectLeft > 0)
      this.#suspectLeft = isGood ? this.#suspectLeft - 1 : this.wanted.check.timing.fall;
    if (this.verdict === 'down') this.#suspectLeft = 0;
    if (isGood) {
      if (result.weightPercent !== undefined) this.#weightPercent = result.weightPercent;
      if (result.drain !== undefined) this.#drainAsked = result.drain;
    }
    const after = [this.verdict, this.#weightPercent, this.#drainAsked, this.isSuspect];
    return before.some((value, index) => value !== after[index]);
  }

  /**
   * Milliseconds from the last start to the next; `random` is 0..1. Where the first questions came soon after a start, the
   * second come after a random part of the interval, lest they stay together for ever.
   */
  nextAfter(random: number): number {
    this.#asked += 1;
    const { fastIntervalMs, intervalMs } = this.wanted.check.timing;
    if (isInDoubt(this.#damped) || this.isSuspect) return this.#jittered(fastIntervalMs, random);
    return this.#asked === 1 && !this.isSpread
      ? Math.max(fastIntervalMs, intervalMs * random)
      : this.#jittered(intervalMs, random);
  }

  state(): CheckState {
    const { check } = this.wanted;
    const { verdict, consecutive } = this.#damped;
    return {
      kind: check.question.kind,
      verdict,
      lastAt: this.#last?.at ?? null,
      lastDurationMs: this.#last?.durationMs ?? null,
      lastReason: this.#last?.reason ?? null,
      lastMessage: this.#last?.message ?? '',
      consecutive,
      rise: check.timing.rise,
      fall: check.timing.fall,
    };
  }

  /** Why the last answer was what it was. */
  get lastMessage(): string {
    return this.#last?.message ?? '';
  }

  get lastReason(): FailureReason | null {
    return this.#last?.reason ?? null;
  }

  #jittered(ms: number, random: number): number {
    return ms * (1 + this.wanted.check.timing.jitter * (2 * random - 1));
  }
}
