// SPDX-License-Identifier: Apache-2.0
/**
 * The scheduler modules of a daemon: each file once, for all services that name it, until it changes. A reload that finds
 * a file as it was gets the very scheduler that runs, so that services do not begin anew.
 */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';

import { said } from '../errors.js';
import type { CustomScheduler } from '../model/custom-scheduler.js';
import { good, mistake, type Parsed } from '../model/parsed.js';
import { defaultLimits, SchedulerThread, type ThreadLimits } from './scheduler-thread.js';

export type { ThreadLimits } from './scheduler-thread.js';

/** A scheduler module that was imported. */
export interface LoadedModule {
  readonly scheduler: CustomScheduler;
  /** Of the file: eight digits of its hash, and when it was changed. */
  readonly version: string;
}

interface Opened {
  readonly thread: Promise<SchedulerThread>;
  readonly version: string;
}

/**
 * Imports scheduler modules, each in a thread of its own, once for each version of its file. close() ends the
 * threads.
 */
export class SchedulerModules {
  readonly #limits: ThreadLimits;
  /** By file and version; an old version stays until retain() says that nobody uses it. */
  readonly #opened = new Map<string, Opened>();

  constructor(limits: ThreadLimits = defaultLimits) {
    this.#limits = limits;
  }

  /**
   * `reference` as a file in the folder `base` writes it: a path that begins with ./, ../ or /, or a package's module as
   * Node finds it from there. Never rejects.
   */
  async load(reference: string, base: string): Promise<Parsed<LoadedModule>> {
    try {
      const file = fileOf(reference, base);
      const { thread, version } = await this.#open(file);
      return good({ scheduler: (await thread).scheduler, version });
    } catch (error) {
      return mistake('be a scheduler module', said(error));
    }
  }

  /** Ends the threads of all other schedulers. */
  async retain(used: Iterable<CustomScheduler>): Promise<void> {
    const kept = new Set(used);
    for (const [key, { thread }] of this.#opened) {
      const opened = await thread.catch(() => undefined);
      if (opened !== undefined && kept.has(opened.scheduler)) continue;
      opened?.close();
      this.#opened.delete(key);
    }
  }

  /** Ends all threads. */
  close(): Promise<void> {
    return this.retain([]);
  }

  async #open(file: string): Promise<Opened> {
    const version = await versionOf(file);
    const key = `${file}\n${version}`;
    const known = this.#opened.get(key);
    if (known !== undefined) return known;
    const opened = { thread: SchedulerThread.open(file, this.#limits), version };
    this.#opened.set(key, opened);
    opened.thread.catch(() => this.#opened.delete(key)); // the next reload tries again
    return opened;
  }
}

function fileOf(reference: string, base: string): string {
  if (isAbsolute(reference) || /^\.\.?\//.test(reference)) return resolve(base, reference);
  return createRequire(join(resolve(base), 'vsnat.yaml')).resolve(reference);
}

/** What a module imports is not looked at: touch the module itself to have it loaded again. */
async function versionOf(file: string): Promise<string> {
  const [text, { mtime }] = await Promise.all([readFile(file), stat(file)]);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8);
  return `${hash}, ${mtime.toISOString()}`;
}
