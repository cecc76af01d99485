// SPDX-License-Identifier: Apache-2.0
/** How often a snapshot was published, and how long that took. */
import { Durations, type WorkTimes } from './durations.js';

export interface Publishes {
  /** Snapshots published. */
  readonly count: number;
  /** Of the last one: compiled, handed over, and every queue works with it. JavaScript waits for it. */
  readonly lastSeconds: number;
  /** Of that, from the moment the first queue was told. */
  readonly lastSwapSeconds: number;
  /** Of all of them. */
  readonly times: WorkTimes;
  readonly swapTimes: WorkTimes;
}

export class PublishTimes {
  readonly #durations = new Durations();
  readonly #swapDurations = new Durations();
  #last = { count: 0, lastSeconds: 0, lastSwapSeconds: 0 };

  add(lastSeconds: number, lastSwapSeconds: number): void {
    this.#last = { count: this.#last.count + 1, lastSeconds, lastSwapSeconds };
    this.#durations.add(lastSeconds);
    this.#swapDurations.add(lastSwapSeconds);
  }

  get publishes(): Publishes {
    return { ...this.#last, times: this.#durations.times, swapTimes: this.#swapDurations.times };
  }
}
