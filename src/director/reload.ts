// SPDX-License-Identifier: Apache-2.0
/**
 * Loading the configuration again, one attempt at a time. A failure is an outcome, not an exception: the old
 * configuration runs on, the failure is counted and remembered, and whoever asked is told.
 *
 * At most one attempt waits behind the one in progress, and everyone who asks meanwhile shares it: it starts after
 * they asked, so it sees what they wrote, and a storm of signals costs two loads.
 */
import { VsnatError } from '../errors.js';
import type { Model } from '../model/index.js';
import { ChangeRefused } from './change-refused.js';
import type { Change } from './diff.js';
import { Durations, type WorkTimes } from './durations.js';
import type { Precondition } from './run-time.js';

export const reloadResults = ['applied', 'unchanged', 'rejected', 'failed'] as const;
/** rejected: the file has mistakes. failed: the host or the dataplane refused what it asks for. */
export type ReloadResult = (typeof reloadResults)[number];

export type ReloadOutcome =
  | { readonly result: 'applied' | 'unchanged'; readonly changes: readonly Change[] }
  | { readonly result: 'rejected' | 'failed'; readonly error: Error }
  /** Whoever asked wanted to replace another configuration than the one that runs. Not an attempt, so not counted. */
  | { readonly result: 'outdated'; readonly error: Error };

/** Of a message with a mistake a line, the first. A file with one slip in each of ten thousand services has megabytes of them. */
export function firstMistakes(message: string, most: number): string {
  const lines = message.split('\n');
  if (lines.length <= most) return message;
  return [...lines.slice(0, most), `and ${lines.length - most} more; vsnat check lists them all`].join('\n');
}

/** Of what the status says. */
const mistakesRemembered = 100;

export interface ReloadFacts {
  readonly counts: Readonly<Record<ReloadResult, number>>;
  readonly lastSuccessful: boolean;
  /** Unix milliseconds. */
  readonly lastSuccessAt: number;
  readonly lastError: string | null;
}

/** With how long attempts took, from the file to what came of it. */
export interface ReloadNumbers extends ReloadFacts {
  readonly times: WorkTimes;
}

export interface ReloadParts {
  readonly load: () => Model | Promise<Model>;
  readonly apply: (
    model: Model,
    precondition: Precondition,
  ) => readonly Change[] | Promise<readonly Change[]>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds that only go forward; the machine's when left out. */
  readonly monotonic?: () => number;
}

export class Reloader {
  readonly #parts: ReloadParts;
  readonly #counts: Record<ReloadResult, number> = { applied: 0, unchanged: 0, rejected: 0, failed: 0 };
  readonly #durations = new Durations();
  #lastError: string | null = null;
  #lastSuccessAt: number;
  /** The last in line; undefined while nothing is under way. */
  #last: Promise<ReloadOutcome> | undefined;
  /** Waits in line, and may be shared until it begins. */
  #shared: Promise<ReloadOutcome> | undefined;

  /** The configuration the director was started with counts as the first success. */
  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#lastSuccessAt = parts.now();
  }

  get facts(): ReloadFacts {
    return {
      counts: { ...this.#counts },
      lastSuccessful: this.#lastError === null,
      lastSuccessAt: this.#lastSuccessAt,
      lastError: this.#lastError,
    };
  }

  get numbers(): ReloadNumbers {
    return { ...this.facts, times: this.#durations.times };
  }

  /** Never rejects. With a precondition the attempt is the asker's own. */
  reload(precondition?: Precondition): Promise<ReloadOutcome> {
    if (precondition !== undefined) return this.#inLine(precondition, () => undefined);
    if (this.#shared !== undefined) return this.#shared;
    const isNext = this.#last !== undefined;
    const attempt = this.#inLine(always, () => (this.#shared = undefined));
    if (isNext) this.#shared = attempt;
    return attempt;
  }

  #inLine(precondition: Precondition, begin: () => void): Promise<ReloadOutcome> {
    const start = (): Promise<ReloadOutcome> => {
      begin();
      return this.#attempt(precondition);
    };
    const attempt = this.#last === undefined ? start() : this.#last.then(start);
    this.#last = attempt;
    void attempt.then(() => {
      if (this.#last === attempt) this.#last = undefined;
    });
    return attempt;
  }

  async #attempt(precondition: Precondition): Promise<ReloadOutcome> {
    const { monotonic = () => performance.now() } = this.#parts;
    const began = monotonic();
    const outcome = await this.#try(precondition);
    if (outcome.result === 'outdated') return outcome;
    this.#durations.add((monotonic() - began) / 1000);
    this.#counts[outcome.result] += 1;
    this.#lastError = 'error' in outcome ? firstMistakes(outcome.error.message, mistakesRemembered) : null;
    if (!('error' in outcome)) this.#lastSuccessAt = this.#parts.now();
    return outcome;
  }

  async #try(precondition: Precondition): Promise<ReloadOutcome> {
    try {
      const changes = await this.#parts.apply(await this.#parts.load(), precondition);
      return { result: changes.length === 0 ? 'unchanged' : 'applied', changes };
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      return { result: resultOf(error), error };
    }
  }
}

const always: Precondition = () => undefined;

function resultOf(error: Error): 'rejected' | 'failed' | 'outdated' {
  if (error instanceof ChangeRefused && error.reason === 'changed-meanwhile') return 'outdated';
  return isMistake(error) ? 'rejected' : 'failed';
}

const isMistake = (error: Error): boolean =>
  error instanceof VsnatError &&
  (error.code === 'VSNAT_CONFIG_INVALID' || error.code === 'VSNAT_CONFIG_UNREADABLE');
