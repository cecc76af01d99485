// SPDX-License-Identifier: Apache-2.0
/**
 * Long work in slices: a few milliseconds of it, then everybody else on the event loop has a turn. Ask `isOver` between any
 * two steps, which costs a look at the clock, and rest when it says so.
 */
import { setImmediate } from 'node:timers/promises';

export const sliceMs = 4;

export class Pace {
  readonly #now: () => number;
  #end: number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#end = now() + sliceMs;
  }

  get isOver(): boolean {
    return this.#now() >= this.#end;
  }

  async rest(): Promise<void> {
    await setImmediate();
    this.#end = this.#now() + sliceMs;
  }
}

/** What is made in steps, with everybody else having turns between them. */
export async function paced<T>(steps: Generator<void, T, undefined>, pace: Pace): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (pace.isOver) await pace.rest();
  }
}

/** The same at once. */
export function atOnce<T>(steps: Generator<void, T, undefined>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
