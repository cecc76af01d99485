// SPDX-License-Identifier: Apache-2.0
/**
 * Decide, swap, remember: the running configuration changes only after the dataplane has taken the new snapshot, and
 * the dataplane takes a snapshot whole or not at all. So whatever fails, what runs and what is remembered stay the same.
 */
import type { Counters, Dataplane } from '../dataplane/dataplane.js';
import { VsnatError } from '../errors.js';
import type { Model } from '../model/index.js';
import { compile, nothingCompiled, type Compiled } from './compile.js';
import { diffModels, withoutRestart, type Change } from './diff.js';
import { sincePast } from './past.js';
import { connectionOf, reportServices, type ConnectionPage, type ServiceReport } from './report.js';

interface Running {
  readonly model: Model;
  readonly compiled: Compiled;
  readonly generation: number;
}

export class Reconciler {
  readonly #dataplane: Dataplane;
  #running: Running | undefined;

  constructor(dataplane: Dataplane) {
    this.#dataplane = dataplane;
  }

  /** The configuration in force; settings that wait for a restart are still the old ones. */
  get model(): Model {
    return this.#now().model;
  }

  get generation(): number {
    return this.#now().generation;
  }

  /** Publishes what separates `wanted` from what runs. Throws, with nothing changed, when the dataplane refuses. */
  apply(wanted: Model): readonly Change[] {
    const before = this.#running;
    const changes = diffModels(before?.model ?? null, wanted);
    if (before !== undefined && changes.length === 0) return changes;
    const model = before === undefined ? wanted : withoutRestart(before.model, wanted);
    const compiled = compile(
      model,
      before?.compiled ?? nothingCompiled,
      this.#dataplane.counters(),
      this.#dataplane.limits,
    );
    const generation = this.#dataplane.publish(compiled.snapshot);
    this.#running = { model, compiled, generation };
    return changes;
  }

  services(counters: Counters): readonly ServiceReport[] {
    const { placed, past } = this.#now().compiled;
    return reportServices(placed, sincePast(counters, past));
  }

  connections(cursor: number, limit: number): ConnectionPage {
    const names = new Map(this.#now().compiled.placed.map(({ slot, service }) => [slot, service]));
    const { rows, next } = this.#dataplane.flows(cursor, limit);
    return {
      rows: rows.map((row) => connectionOf(row, names.get(row.serviceSlot) ?? null)),
      next,
    };
  }

  #now(): Running {
    if (this.#running === undefined) {
      throw new VsnatError(
        'VSNAT_DATAPLANE',
        'director: must have a configuration first, got none; call apply()',
      );
    }
    return this.#running;
  }
}
