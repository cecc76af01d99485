// SPDX-License-Identifier: Apache-2.0
/**
 * The check modules of a daemon: each file in one thread, for all servers it is asked about, until the file changes. Then
 * calls go to a new thread, and the old one ends with its last call.
 */
import { stat } from 'node:fs/promises';

import { said } from '../errors.js';
import { defaultCheckLimits, type Call, type CheckLimits, type Outcome } from './check-thread.js';
import { RestartedThread } from './restarted-thread.js';

interface Version {
  readonly stamp: string;
  readonly thread: RestartedThread;
}

export class CheckModules {
  readonly #tell: (sentence: string) => void;
  readonly #limits: CheckLimits;
  /** Of each file the latest. */
  readonly #versions = new Map<string, Version>();
  /** Those of older ones, until their last call is over. */
  readonly #leaving = new Set<RestartedThread>();
  #isClosed = false;

  /** `tell` hears that a thread has ended, and why. */
  constructor(tell: (sentence: string) => void, limits: CheckLimits = defaultCheckLimits) {
    this.#tell = tell;
    this.#limits = limits;
  }

  /** Calls check() of `file`, as it is now. `settle` is called once, later, unless the call is stopped before. */
  call(file: string, target: object, settle: (outcome: Outcome) => void): Call {
    let call: Call | undefined;
    let isStopped = false;
    const isWanted = (): boolean => !isStopped;
    const begin = async (): Promise<void> => {
      const stamp = await stampOf(file);
      if (!isWanted()) return;
      const thread = await this.#latest(file, stamp).open();
      if (isWanted()) call = thread.call(target, settle);
    };
    begin().catch((error: unknown) => {
      if (isWanted()) settle({ problem: complaint(error, file) });
    });
    return {
      get hasBegun() {
        return call?.hasBegun === true;
      },
      stop: () => {
        isStopped = true;
        call?.stop();
      },
    };
  }

  /** Nobody asks by this file any more. */
  forget(file: string): void {
    const thread = this.#versions.get(file)?.thread;
    if (thread === undefined) return;
    this.#versions.delete(file);
    this.#leaving.add(thread);
    void thread.leave().then(() => this.#leaving.delete(thread));
  }

  /** Ends all threads; what was asked is never answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const file of [...this.#versions.keys()]) this.forget(file);
    await Promise.all([...this.#leaving].map((thread) => thread.close()));
  }

  #latest(file: string, stamp: string): RestartedThread {
    const known = this.#versions.get(file);
    if (known?.stamp === stamp) return known.thread;
    if (this.#isClosed) throw new Error('checks have ended');
    this.forget(file);
    const thread = new RestartedThread(file, this.#tell, this.#limits);
    this.#versions.set(file, { stamp, thread });
    return thread;
  }
}

/** What a module imports is not looked at: touch the module itself to have it loaded again. */
async function stampOf(file: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(file);
  return `${mtimeMs} ${size} ${ino}`;
}

function complaint(error: unknown, file: string): string {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return `${file}: no such file`;
  return `${file}: ${said(error)}`;
}
