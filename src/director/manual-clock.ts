// SPDX-License-Identifier: Apache-2.0
/** A clock that is turned by hand: for directors in tests and in the simulator, whose time is the packets'. */
import type { Clock } from '../health/clock.js';

/** A clock that is turned by hand, for tests. */
export class ManualClock implements Clock {
  #ms: number;
  #waiting: { readonly at: number; readonly call: () => void }[] = [];

  /** Begins at `startMs`. */
  constructor(startMs = 0) {
    this.#ms = startMs;
  }

  now(): number {
    return this.#ms;
  }

  /** Counts from 1970 on. */
  wall(): number {
    return this.#ms;
  }

  after(ms: number, call: () => void): () => void {
    const one = { at: this.#ms + ms, call };
    this.#waiting.push(one);
    return () => (this.#waiting = this.#waiting.filter((other) => other !== one));
  }

  /** Goes on to `ms`, calling on the way whoever waits, in the order of their times. Earlier times change nothing. */
  turnTo(ms: number): void {
    for (;;) {
      const due = this.#waiting.filter(({ at }) => at <= ms);
      const [first] = due.toSorted((a, b) => a.at - b.at);
      if (first === undefined) break;
      this.#waiting = this.#waiting.filter((other) => other !== first);
      this.#ms = Math.max(this.#ms, first.at);
      first.call();
    }
    this.#ms = Math.max(this.#ms, ms);
  }
}
