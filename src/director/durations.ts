// SPDX-License-Identifier: Apache-2.0
/** How long something of the daemon's own took, each time: a histogram, as metrics want it. */

/** Upper ends of the buckets, in seconds; one more bucket takes what is slower. */
export const workBounds: readonly number[] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10];

export interface WorkTimes {
  /** By bucket, not added up; one more than there are bounds. */
  readonly counts: readonly number[];
  /** Seconds of all together. */
  readonly sum: number;
}

export class Durations {
  readonly #counts = [...workBounds, Infinity].map(() => 0);
  #sum = 0;

  add(seconds: number): void {
    const bucket = workBounds.findIndex((bound) => seconds <= bound);
    const at = bucket < 0 ? workBounds.length : bucket;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += seconds;
  }

  get times(): WorkTimes {
    return { counts: [...this.#counts], sum: this.#sum };
  }
}
