// SPDX-License-Identifier: Apache-2.0
/**
 * A user's scheduler module in a thread of its own.
 *
 * plan() is called from code that cannot wait for a promise, so the caller sleeps until the thread has answered, a second
 * at most. Packets move meanwhile: they are other threads' business.
 */
import { MessageChannel, receiveMessageOnPort, type MessagePort, type Worker } from 'node:worker_threads';

import { VsnatError, said } from '../errors.js';
import type { CustomScheduler, PlanContext, SchedulerServer, ServerLoad } from '../model/custom-scheduler.js';
import { PlanFailure, type PlanFailureReason } from '../model/plan-failure.js';
import type { Plan } from '../model/plan.js';
import { openThread } from './module-thread.js';

/** How long a scheduler module may take. */
export interface ThreadLimits {
  /** How long the import may take. */
  readonly importMs: number;
  /** How long one plan() may take. */
  readonly planMs: number;
}

export const defaultLimits: ThreadLimits = { importMs: 5000, planMs: 1000 };

/** Of what a scheduler remembers: it is the daemon that keeps it, so a module that never forgets must not fill the daemon. */
const mostRemembered = 2 ** 20;

/** What a module's default export looks like from outside. */
interface Description {
  readonly name: unknown;
  readonly replanEvery: unknown;
  readonly options: unknown;
}

type Answer =
  | { readonly plan: Plan; readonly memory: Map<string, unknown> }
  | { readonly problem: string; readonly reason: PlanFailureReason };

/**
 * What the thread runs; as text, so that it is the same from src/ and from dist/. `flag` is 1 once an answer lies at
 * the port.
 */
const threadCode = `
const { serialize } = require('node:v8');
const flag = shared;
import(url).then(({ default: scheduler }) => {
  if (scheduler === null || typeof scheduler !== 'object')
    return { problem: 'must have a default export with name and plan, got ' + (scheduler === undefined ? 'none' : typeof scheduler) };
  if (typeof scheduler.plan !== 'function')
    return { problem: 'must have a function plan in its default export, got ' + typeof scheduler.plan };
  port.on('message', ([servers, loads, context]) => {
    let answer;
    try { answer = { plan: scheduler.plan(servers, loads, context), memory: context.memory }; }
    catch (error) { answer = { reason: 'threw', problem: 'plan() failed: ' + said(error) }; }
    if (answer.plan instanceof Promise)
      answer = { reason: 'invalid', problem: 'plan: must be made at once, got a promise; plan() cannot be async' };
    try {
      const bytes = serialize(context.memory).byteLength;
      if (bytes > ${mostRemembered} && !('problem' in answer))
        answer = { reason: 'invalid', problem: 'memory: must be at most ${mostRemembered} bytes, got ' + bytes + '; forget what is no longer needed, such as servers that are gone' };
      port.postMessage(answer);
    }
    catch (error) { port.postMessage({ reason: 'invalid', problem: 'plan() returned what cannot be copied: ' + said(error) }); }
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  });
  return { description: { name: scheduler.name, replanEvery: scheduler.replanEvery, options: scheduler.options } };
}, (error) => ({ problem: 'cannot be imported: ' + said(error) }))
  .then((opened) => parentPort.postMessage(opened))
  .catch((error) => parentPort.postMessage({ problem: 'cannot be described: ' + said(error) }));
`;

export class SchedulerThread {
  readonly scheduler: CustomScheduler;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #flag: Int32Array;
  readonly #limits: ThreadLimits;
  #ended: string | undefined;

  private constructor(
    worker: Worker,
    port: MessagePort,
    flag: Int32Array,
    description: Description,
    limits: ThreadLimits,
  ) {
    this.#worker = worker;
    this.#port = port;
    this.#flag = flag;
    this.#limits = limits;
    worker.on('error', (error: unknown) => this.#end(`failed: ${said(error)}`));
    worker.on('exit', () => this.#end('ended'));
    this.scheduler = schedulerOf(description, (...call) => this.#plan(call));
  }

  /** Imports the file. Rejects with VSNAT_CONFIG_INVALID and the sentence behind the module's name. */
  static async open(file: string, limits: ThreadLimits = defaultLimits): Promise<SchedulerThread> {
    const { port1, port2 } = new MessageChannel();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    let worker: Worker | undefined;
    try {
      const parts = { port: port2, shared: flag };
      const opened = await openThread<Description>(file, threadCode, parts, limits.importMs, refused);
      ({ worker } = opened);
      port1.unref();
      return new SchedulerThread(worker, port1, flag, opened.description, limits);
    } catch (error) {
      port1.close();
      void worker?.terminate();
      throw error;
    }
  }

  close(): void {
    this.#end('is closed');
  }

  #plan(call: readonly [readonly SchedulerServer[], readonly ServerLoad[], PlanContext]): Plan {
    if (this.#ended !== undefined) throw new PlanFailure('ended', `${this.#ended}; reload to start it again`);
    Atomics.store(this.#flag, 0, 0);
    this.#port.postMessage(call);
    const { planMs } = this.#limits;
    if (Atomics.wait(this.#flag, 0, 0, planMs) === 'timed-out') {
      const why = `was ended: plan() did not return within ${planMs} ms`;
      this.#end(why);
      throw new PlanFailure('timeout', `${why}; reload to start it again`);
    }
    const answer = receiveMessageOnPort(this.#port)?.message as Answer | undefined;
    if (answer === undefined) throw new PlanFailure('ended', 'plan() was not answered');
    if ('problem' in answer) throw new PlanFailure(answer.reason, answer.problem);
    const [, , { memory }] = call;
    memory.clear();
    for (const [key, value] of answer.memory) memory.set(key, value);
    return answer.plan;
  }

  #end(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#port.close();
    void this.#worker.terminate();
  }
}

/** 31 are what fits a listing; the kernel's names have 15 at most. */
const namePattern = /^[a-z][a-z0-9_-]{0,30}$/;
const shortestPauseMs = 100;

function schedulerOf(
  { name, replanEvery, options }: Description,
  plan: CustomScheduler['plan'],
): CustomScheduler {
  if (typeof name !== 'string' || !namePattern.test(name))
    throw refused(`name: must be 1..31 of a-z, 0-9, - and _, a letter first, got ${JSON.stringify(name)}`);
  const isPause = typeof replanEvery === 'number' && Number.isFinite(replanEvery);
  if (replanEvery !== undefined && (!isPause || replanEvery < shortestPauseMs))
    throw refused(
      `replanEvery: must be ${shortestPauseMs} or more milliseconds, got ${JSON.stringify(replanEvery)}`,
    );
  if (options !== undefined && (typeof options !== 'object' || options === null || Array.isArray(options)))
    throw refused(`options: must be a JSON Schema, got ${JSON.stringify(options)}`);
  return {
    name,
    ...(replanEvery !== undefined && { replanEvery: replanEvery }),
    ...(options !== undefined && { options: { ...options } }),
    plan,
  };
}

const refused = (problem: string): VsnatError => new VsnatError('VSNAT_CONFIG_INVALID', problem);
