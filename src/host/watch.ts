// SPDX-License-Identifier: Apache-2.0
/**
 * When to look at the host: soon after something has changed, for as long as all is not well, and now and then all the same,
 * because the kernel does not tell everything. Never twice within `gapMs`: whoever changes the host all the time is no reason
 * to do nothing else.
 */
import type { Hear, Notices } from './notices.js';

/** Changes seldom come alone, and half a change is not worth a look. */
export const settleMs = 200;

/** However silent the kernel is. */
export const longestGapMs = 60_000;

export interface Looking {
  /** Never rejects. False: look again as soon as may be. */
  readonly look: () => Promise<boolean>;
  /** From the end of one look to the beginning of the next, at least. */
  readonly gapMs: () => number;
  /** Where nobody tells of changes, looks follow each other at `gapMs`. */
  readonly hear: Hear;
}

export class Watch {
  readonly #looking: Looking;
  #notices: Notices | null = null;
  /** Something has changed since the last look began. */
  #isDue = false;
  #isResting = false;
  #soon: NodeJS.Timeout | undefined;
  #gap: NodeJS.Timeout | undefined;
  #late: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(looking: Looking) {
    this.#looking = looking;
  }

  /** To be called once, after a first look. Keeps no process alive. */
  begin(): void {
    if (this.#isClosed) return;
    this.#notices = this.#looking.hear(() => this.#hear());
    this.#notices?.listen();
    this.#isDue = true; // what has changed since the first look began
    this.#rest(true);
  }

  close(): void {
    this.#isClosed = true;
    this.#stopWaiting();
    this.#notices?.close();
  }

  #hear(): void {
    this.#isDue = true;
    if (!this.#isResting) this.#soon ??= this.#after(settleMs);
  }

  async #turn(): Promise<void> {
    this.#stopWaiting();
    this.#isResting = true;
    this.#isDue = false;
    this.#notices?.listen(); // before the look, so that nothing falls between the two
    const isWell = await this.#looking.look();
    if (!this.#isClosed) this.#rest(isWell);
  }

  #rest(isWell: boolean): void {
    const gapMs = this.#looking.gapMs();
    const hasToLook = (): boolean => this.#isDue || !isWell || this.#notices === null;
    this.#isResting = true;
    this.#gap = setTimeout(() => {
      this.#isResting = false;
      if (hasToLook()) void this.#turn();
    }, gapMs).unref();
    this.#late = this.#after(Math.max(longestGapMs, gapMs));
  }

  #after(ms: number): NodeJS.Timeout {
    return setTimeout(() => void this.#turn(), ms).unref();
  }

  #stopWaiting(): void {
    for (const timer of [this.#soon, this.#gap, this.#late]) clearTimeout(timer);
    this.#soon = undefined;
  }
}
