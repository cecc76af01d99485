// SPDX-License-Identifier: Apache-2.0
/**
 * The host's side of a running director: prepared once after the device is open, changed by a reload, closed once.
 * Every object put in place is remembered together with its removal, so closing needs no guesswork.
 */
import { VsnatError } from '../errors.js';
import { applySteps, runTolerantly, undoSteps } from './execute.js';
import { neededByOthers, planCleanup } from './leftovers.js';
import { planHost } from './plan.js';
import type { HostDevice, HostModel } from './plan-context.js';
import { checkForwarding, type HostLog } from './preflight.js';
import { readHostState, type HostState } from './state.js';
import type { SharedResource, Step } from './step.js';
import { realSystem, type System } from './system.js';

export interface HostOptions {
  readonly log: HostLog;
  readonly system?: System;
}

/** Rules are searched one by one by every packet of the host, so a fallback of many rules deserves a word. */
const manyRules = 64;

/**
 * Bring the packets of the model's services into the device. What an earlier run left behind is removed first. When
 * a step is refused, everything done so far is undone and the error thrown.
 */
export async function prepareHost(model: HostModel, device: HostDevice, options: HostOptions): Promise<Host> {
  const { log, system = realSystem } = options;
  await checkForwarding(model, system);
  let state = await readHostState(system);
  const leftovers = planCleanup(device, state);
  if (leftovers.length > 0) {
    log.info(`host: removing ${leftovers.length} leftovers of an earlier run`);
    for (const complaint of await runTolerantly(system, leftovers)) log.warn(`host: ${complaint}`);
    state = await readHostState(system);
  }
  const steps = planHost(model, device, state);
  warnWithoutNftables(steps, state, log);
  await applySteps(system, steps);
  return new Host(device, steps, { log, system });
}

function warnWithoutNftables(steps: readonly Step[], state: HostState, log: HostLog): void {
  if (state.nftTables !== null || steps.every((step) => !step.id.startsWith('rule'))) return;
  log.warn(
    'host: nftables is missing, so replies are diverted by one policy rule per real server, and path MTU errors that ' +
      'this host itself raises are not translated; install it (apt-get install nftables)',
  );
  const rules = steps.filter((step) => step.id.startsWith('rule')).length;
  if (rules > manyRules) log.warn(`host: ${rules} policy rules slow down every packet of this host`);
}

export class Host {
  readonly #device: HostDevice;
  readonly #log: HostLog;
  readonly #system: System;
  #steps: readonly Step[];
  /** Calls are carried out one after the other: a reload and a stop may come together. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(device: HostDevice, steps: readonly Step[], options: Required<HostOptions>) {
    this.#device = device;
    this.#steps = steps;
    this.#log = options.log;
    this.#system = options.system;
  }

  /** What is in place now, for people and tests. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** Apply the difference to the model: new objects first, then the removal of old ones. All or nothing. */
  update(model: HostModel): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed)
        throw new VsnatError('VSNAT_HOST_REFUSED', 'host: closed already; nothing was changed');
      await checkForwarding(model, this.#system);
      const wanted = planHost(model, this.#device, await readHostState(this.#system));
      const wantedIds = new Set(wanted.map((step) => step.id));
      const present = new Set(this.#steps.map((step) => step.id));
      const added = wanted.filter((step) => !present.has(step.id));
      await applySteps(this.#system, added);
      const removed = this.#steps.filter((step) => !wantedIds.has(step.id));
      // Kept steps stay as they were applied: their undo knows how the host was before.
      this.#steps = [...this.#steps.filter((step) => wantedIds.has(step.id)), ...added];
      await this.#undo(removed);
    });
  }

  /** Undo everything. Idempotent; what cannot be undone is logged, never thrown. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      await this.#undo(this.#steps);
      this.#steps = [];
    });
  }

  async #undo(steps: readonly Step[]): Promise<void> {
    if (steps.length === 0) return;
    const keep = await this.#neededByOthers(steps);
    for (const complaint of await undoSteps(this.#system, steps, keep)) this.#log.warn(`host: ${complaint}`);
  }

  async #neededByOthers(steps: readonly Step[]): Promise<ReadonlySet<SharedResource>> {
    if (steps.every((step) => step.shared === undefined)) return new Set();
    try {
      return neededByOthers(this.#device, await readHostState(this.#system));
    } catch (error) {
      this.#log.warn(
        `host: cannot look for other directors: ${error instanceof Error ? error.message : String(error)}`,
      );
      return new Set();
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined); // the caller hears of it; the next in line need not
    return turn;
  }
}
