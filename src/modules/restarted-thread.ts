// SPDX-License-Identifier: Apache-2.0
/**
 * One version of a check module, in one thread after the other: one that ended is started again with the next call, some
 * time after the last start at least. A file that cannot be loaded is tried again after twice as long each time, up to a
 * minute; until then its problem is every call's answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { said } from '../errors.js';
import { CheckThread, type CheckLimits } from './check-thread.js';

const longestPauseMs = 60_000;
/** What ended a thread is told at most so often. */
const toldEveryMs = 10_000;

export class RestartedThread {
  readonly #file: string;
  readonly #tell: (sentence: string) => void;
  readonly #limits: CheckLimits;
  readonly #closing = new AbortController();
  /** Rejected only of one whose file could not be loaded, and then replaced at the next try. */
  #thread: Promise<CheckThread> | undefined;
  /** Why the last start failed. */
  #problem: string | undefined;
  #failures = 0;
  #startedAt = -longestPauseMs;
  #toldAt = -toldEveryMs;

  constructor(file: string, tell: (sentence: string) => void, limits: CheckLimits) {
    this.#file = file;
    this.#tell = tell;
    this.#limits = limits;
  }

  /** The thread, when it has loaded the file. Rejects with what is wrong with that. */
  async open(): Promise<CheckThread> {
    if (this.#closing.signal.aborted) throw new Error('checks by it have ended');
    const problem = this.#problem;
    if (problem === undefined) return (this.#thread ??= this.#start());
    if (this.#thread === undefined && this.#pauseLeft() <= 0) {
      this.#thread = this.#start();
      this.#thread.catch(() => undefined); // the next call is told
    }
    throw new Error(problem);
  }

  /** Ends the thread with its last call; resolves when that is done. */
  async leave(): Promise<void> {
    this.#closing.abort();
    await this.#thread?.then((thread) => thread.leave()).catch(() => undefined);
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#thread?.then((thread) => thread.close()).catch(() => undefined);
  }

  async #start(): Promise<CheckThread> {
    const pause = this.#pauseLeft();
    if (pause > 0) await sleep(pause, undefined, { ref: false, signal: this.#closing.signal });
    this.#startedAt = performance.now();
    try {
      const thread = await CheckThread.open(this.#file, this.#limits, (why) => this.#ended(why));
      this.#problem = undefined;
      this.#failures = 0;
      return thread;
    } catch (error) {
      this.#thread = undefined;
      this.#failures += 1;
      this.#problem = said(error);
      throw error;
    }
  }

  #pauseLeft(): number {
    const pause = Math.min(longestPauseMs, this.#limits.restartMs * 2 ** this.#failures);
    return this.#startedAt + pause - performance.now();
  }

  #ended(why: string): void {
    this.#thread = undefined;
    const now = performance.now();
    if (now - this.#toldAt < toldEveryMs) return;
    this.#toldAt = now;
    this.#tell(
      `health check module ${this.#file}: its thread ${why}; it is started again with the next check`,
    );
  }
}
