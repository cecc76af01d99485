// SPDX-License-Identifier: Apache-2.0
/**
 * A health check that a user wrote, in a thread of its own. Many calls of check() may be under way at once. The thread calls
 * them one after the other, between two of them it hears which are no longer wanted, and in memory that both see it counts
 * what it does.
 *
 * That count is how a loop without end is found: when a call is taken back, as at its timeout, the count must move soon. A
 * thread that is merely busy moves it with every call. One that stands still is ended.
 */
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';

import { said } from '../errors.js';
import { openThread } from './module-thread.js';

/** How long a module of a check may take. */
export interface CheckLimits {
  /** How long the import may take. */
  readonly importMs: number;
  /** How long the thread may stand still when a call has been taken back. */
  readonly silentMs: number;
  /** From one start of a thread to the next, where threads end again and again. */
  readonly restartMs: number;
}

export const defaultCheckLimits: CheckLimits = { importMs: 5000, silentMs: 1000, restartMs: 250 };

/** How a call of check() ended. */
export type Outcome =
  /** What it returned, copied and cut short. */
  | { readonly report: unknown }
  /** It threw, or was in the thread when that ended: why, as a clause. */
  | { readonly problem: string }
  /** The thread ended before check() was called. */
  | { readonly neverBegun: string };

export interface Call {
  /** Whether check() has been called. */
  readonly hasBegun: boolean;
  /** No answer is wanted any more. */
  stop(): void;
}

/** Of a message: more is never shown. */
const mostCharacters = 1000;

/** A watch looks so many times before it believes that the thread stands still: this process may have stood still itself. */
const looks = 4;

/** What the thread runs; as text, so that it is the same from src/ and from dist/. */
const threadCode = `
const running = new Map(), waiting = new Map();
const plain = (value) => typeof value === 'string' ? value.slice(0, ${mostCharacters})
  : value == null || typeof value === 'number' || typeof value === 'boolean' ? value : {};
const copied = (report) => report === null || typeof report !== 'object' ? plain(report) : {
  good: plain(report.good), message: plain(report.message),
  weightPercent: plain(report.weightPercent), drain: plain(report.drain),
};
const moved = () => Atomics.add(shared, 1, 1n);
const call = async (check, id, target) => {
  const abort = new AbortController();
  running.set(id, abort);
  Atomics.store(shared, 0, id);
  let answer;
  try { answer = { id, report: copied(await check(target, abort.signal)) }; }
  catch (error) { answer = { id, problem: said(error).slice(0, ${mostCharacters}) }; }
  running.delete(id);
  moved();
  port.postMessage(answer);
};
import(url).then(({ default: custom }) => {
  if (custom === null || typeof custom !== 'object' || typeof custom.check !== 'function')
    return { problem: 'must have a default export with a function check(target, signal)' };
  const check = custom.check.bind(custom);
  const next = () => {
    for (const [id, target] of waiting) {
      waiting.delete(id);
      if (waiting.size > 0) setImmediate(next);
      call(check, id, target);
      return;
    }
  };
  port.on('message', ({ id, target }) => {
    moved();
    if (target === undefined) {
      if (!waiting.delete(id)) running.get(id)?.abort();
      return;
    }
    waiting.set(id, target);
    if (waiting.size === 1) setImmediate(next);
  });
  return { description: true };
}, (error) => ({ problem: 'cannot be imported: ' + said(error) }))
  .then((opened) => parentPort.postMessage(opened));
`;

interface Waiting {
  readonly id: bigint;
  readonly settle: (outcome: Outcome) => void;
}

export class CheckThread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  /** The last call that was begun; how often the thread did anything. */
  readonly #shared: BigInt64Array;
  readonly #limits: CheckLimits;
  readonly #onEnd: (why: string) => void;
  readonly #gone: Promise<void>;
  readonly #waiting = new Map<bigint, Waiting>();
  #lastId = 0n;
  #watch: NodeJS.Timeout | undefined;
  #isLeaving = false;
  #hasEnded = false;

  private constructor(
    worker: Worker,
    port: MessagePort,
    shared: BigInt64Array,
    limits: CheckLimits,
    onEnd: (why: string) => void,
  ) {
    this.#worker = worker;
    this.#port = port;
    this.#shared = shared;
    this.#limits = limits;
    this.#onEnd = onEnd;
    port.on('message', (answer) => this.#answered(answer));
    port.unref();
    worker.on('error', (error: unknown) => this.#end(`ended: ${said(error)}`));
    this.#gone = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#end(`ended with code ${code}`);
        resolve();
      });
    });
  }

  /** Imports the file. Rejects with an Error of the sentence behind the module's name. `onEnd` unless it was closed. */
  static async open(file: string, limits: CheckLimits, onEnd: (why: string) => void): Promise<CheckThread> {
    const { port1, port2 } = new MessageChannel();
    const shared = new BigInt64Array(new SharedArrayBuffer(16));
    try {
      const parts = { port: port2, shared };
      const { worker } = await openThread<true>(file, threadCode, parts, limits.importMs, refused);
      return new CheckThread(worker, port1, shared, limits, onEnd);
    } catch (error) {
      port1.close();
      throw error;
    }
  }

  /** `settle` is called once, later, unless the call is stopped before. */
  call(target: object, settle: (outcome: Outcome) => void): Call {
    const id = (this.#lastId += 1n);
    const waiting = { id, settle };
    const hasBegun = (): boolean => this.#hasBegun(waiting);
    if (this.#hasEnded) queueMicrotask(() => settle({ neverBegun: 'is closed' }));
    this.#port.postMessage({ id, target }); // throws where the options cannot be copied
    if (!this.#hasEnded) this.#waiting.set(id, waiting);
    return {
      get hasBegun() {
        return hasBegun();
      },
      stop: () => {
        if (!this.#waiting.delete(id)) return;
        this.#takeBack(id);
        this.#endIfLeft();
      },
    };
  }

  /** Ends the thread with its last call; resolves when that is done. */
  leave(): Promise<void> {
    this.#isLeaving = true;
    this.#endIfLeft();
    return this.#gone;
  }

  /** Ends the thread; what it was asked is never answered. */
  close(): Promise<void> {
    this.#hasEnded = true;
    this.#waiting.clear();
    this.#release();
    return this.#gone;
  }

  #endIfLeft(): void {
    if (this.#isLeaving && this.#waiting.size === 0) void this.close();
  }

  /** In the order in which they were asked, so one number tells. */
  #hasBegun({ id }: Waiting): boolean {
    return id <= Atomics.load(this.#shared, 0);
  }

  /** The module can send what it likes: it has the port if it looks for it. */
  #answered(answer: unknown): void {
    if (typeof answer !== 'object' || answer === null) return;
    const { id, report, problem } = answer as Readonly<Record<string, unknown>>;
    const waiting = this.#waiting.get(id as bigint);
    if (waiting === undefined) return;
    this.#waiting.delete(waiting.id);
    waiting.settle(typeof problem === 'string' ? { problem } : { report });
    this.#endIfLeft();
  }

  #takeBack(id: bigint): void {
    this.#port.postMessage({ id });
    this.#watch ??= this.#look(Atomics.load(this.#shared, 1), looks);
  }

  #look(before: bigint, left: number): NodeJS.Timeout {
    return setTimeout(() => {
      if (Atomics.load(this.#shared, 1) !== before) this.#watch = undefined;
      else if (left > 1) this.#watch = this.#look(before, left - 1);
      else this.#end(`was ended: it stood still for ${this.#limits.silentMs} ms, as in a loop without end`);
    }, this.#limits.silentMs / looks).unref();
  }

  #end(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#release();
    const cut = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#onEnd(why);
    for (const waiting of cut)
      waiting.settle(this.#hasBegun(waiting) ? { problem: `its thread ${why}` } : { neverBegun: why });
  }

  #release(): void {
    clearTimeout(this.#watch);
    this.#port.close();
    void this.#worker.terminate();
  }
}

const refused = (problem: string): Error => new Error(problem);
