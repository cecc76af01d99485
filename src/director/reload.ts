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
import type { Change } from './diff.js';

export const reloadResults = ['applied', 'unchanged', 'rejected', 'failed'] as const;
/** rejected: the file has mistakes. failed: the host or the dataplane refused what it asks for. */
export type ReloadResult = (typeof reloadResults)[number];

export type ReloadOutcome =
  | { readonly result: 'applied' | 'unchanged'; readonly changes: readonly Change[] }
  | { readonly result: 'rejected' | 'failed'; readonly error: Error };

export interface ReloadFacts {
  readonly counts: Readonly<Record<ReloadResult, number>>;
  readonly lastSuccessful: boolean;
  /** Unix milliseconds. */
  readonly lastSuccessAt: number;
  readonly lastError: string | null;
}

export interface ReloadParts {
  readonly load: () => Model | Promise<Model>;
  readonly apply: (model: Model) => readonly Change[] | Promise<readonly Change[]>;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export class Reloader {
  readonly #parts: ReloadParts;
  readonly #counts: Record<ReloadResult, number> = { applied: 0, unchanged: 0, rejected: 0, failed: 0 };
  #lastError: string | null = null;
  #lastSuccessAt: number;
  #running: Promise<ReloadOutcome> | undefined;
  #waiting: Promise<ReloadOutcome> | undefined;

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

  /** Never rejects. */
  reload(): Promise<ReloadOutcome> {
    if (this.#running === undefined) {
      this.#running = this.#attempt();
      return this.#running;
    }
    this.#waiting ??= this.#running.then(() => {
      this.#waiting = undefined;
      this.#running = this.#attempt();
      return this.#running;
    });
    return this.#waiting;
  }

  async #attempt(): Promise<ReloadOutcome> {
    const outcome = await this.#try();
    this.#counts[outcome.result] += 1;
    this.#lastError = 'error' in outcome ? outcome.error.message : null;
    if (!('error' in outcome)) this.#lastSuccessAt = this.#parts.now();
    if (this.#waiting === undefined) this.#running = undefined;
    return outcome;
  }

  async #try(): Promise<ReloadOutcome> {
    try {
      const changes = await this.#parts.apply(await this.#parts.load());
      return { result: changes.length === 0 ? 'unchanged' : 'applied', changes };
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      return { result: isMistake(error) ? 'rejected' : 'failed', error };
    }
  }
}

const isMistake = (error: Error): boolean =>
  error instanceof VsnatError &&
  (error.code === 'VSNAT_CONFIG_INVALID' || error.code === 'VSNAT_CONFIG_UNREADABLE');
