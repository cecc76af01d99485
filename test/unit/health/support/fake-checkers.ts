// SPDX-License-Identifier: Apache-2.0
/** Checkers whose answers a test decides, after a while by a fake clock. */
import {
  bad,
  good,
  type Answer,
  type Checker,
  type Checkers,
  type Target,
} from '../../../../src/health/checker.js';
import type { Clock } from '../../../../src/health/clock.js';
import { makeCheckers } from '../../../../src/health/checkers.js';

export interface Asked {
  readonly at: number;
  readonly target: Target;
}

export class FakeChecker implements Checker {
  readonly asked: Asked[] = [];
  running = 0;
  mostRunning = 0;
  stopped = 0;
  closed = 0;
  /** Servers that are asked again and again. */
  admitted = 0;
  /** undefined: no answer ever. */
  answer: (target: Target) => Answer | undefined = () => good('fine');
  takesMs = 1;

  constructor(readonly clock: Clock) {}

  ask(_: unknown, target: Target, finish: (answer: Answer) => void): { progress(): string; stop(): void } {
    this.asked.push({ at: this.clock.now(), target });
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    const answer = this.answer(target);
    const cancel = this.clock.after(this.takesMs, () => {
      if (answer === undefined) return;
      this.running -= 1;
      finish(answer);
    });
    return {
      progress: () => 'pondering',
      stop: () => {
        cancel();
        this.running -= 1;
        this.stopped += 1;
      },
    };
  }

  admit(): void {
    this.admitted += 1;
  }

  dismiss(): void {
    this.admitted -= 1;
  }

  close(): Promise<void> {
    this.closed += 1;
    return Promise.resolve();
  }

  /** `down` are bad, all others good. */
  let(down: ReadonlySet<string>): void {
    this.answer = ({ address }) => (down.has(address) ? bad('refused', 'dead') : good('alive'));
  }
}

export const all = (checker: Checker): Checkers =>
  Object.fromEntries(
    Object.keys(makeCheckers({ icmp: null })).map((kind) => [kind, checker]),
  ) as unknown as Checkers;
