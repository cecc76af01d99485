// SPDX-License-Identifier: Apache-2.0
/**
 * The host's side of a running director: prepared once after the device is open, changed by a reload, closed once.
 * Every object put in place is remembered together with its removal, so closing needs no guesswork. Nobody else knows
 * of that memory, though: other programs flush rulesets and take links down. So every reload, and a look whenever the
 * kernel says that something has changed, compares what is remembered with what is there and puts back what is missing.
 */
import { VsnatError, said } from '../errors.js';
import { watchAddresses } from './address-watch.js';
import { applySteps, runForced, runTolerantly, undoSteps } from './execute.js';
import { neededByOthers, planCleanup } from './leftovers.js';
import { planHost } from './plan.js';
import type { HostDevice, HostModel } from './plan-context.js';
import { checkForwarding, type HostLog } from './preflight.js';
import { localBehind } from './local-rule.js';
import { plumbingNotices } from './notices.js';
import { describeSteps, planRepair } from './repair.js';
import { refuseTakenVips } from './rivals.js';
import { readHostState, type AddressState, type HostState } from './state.js';
import type { SharedResource, Step } from './step.js';
import { findMissing, sysctlFiles } from './survey.js';
import { realSystem, type System } from './system.js';
import { Watch } from './watch.js';

export interface HostOptions {
  readonly log: HostLog;
  readonly system?: System;
  /** From one look at what others have changed to the next, at least; never looks when absent. */
  readonly watchMs?: number;
}

/** Soon enough that an administrator's slip is an incident of seconds, whoever else changes things all the time. */
export const hostWatchMs = 5_000;

/** A look reads everything, so a large set-up is looked at less often: 10,000 VIPs every half minute. */
const watchMsPerStep = 1;

/** Rules are searched one by one by every packet of the host, so a fallback of many rules deserves a word. */
const manyRules = 64;

/**
 * Bring the packets of the model's services into the device. What an earlier run left behind is removed first. When
 * a step is refused, everything done so far is undone and the error thrown.
 */
export async function prepareHost(model: HostModel, device: HostDevice, options: HostOptions): Promise<Host> {
  const { log, system = realSystem, watchMs } = options;
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
  await refuseTakenVips(steps, device, state, system);
  await applySteps(system, steps);
  const host = new Host(model, device, { steps, state }, { log, system });
  if (watchMs !== undefined) {
    host.watch(watchMs);
    host.listen();
  }
  return host;
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
  #model: HostModel;
  #steps: readonly Step[];
  /** What the plan in force was made from. */
  #state: HostState;
  #trouble: string | null = null;
  #watch: Watch | undefined;
  #stopListening: () => void = () => undefined;
  /** Calls are carried out one after the other: a reload and a stop may come together. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(
    model: HostModel,
    device: HostDevice,
    { steps, state }: { readonly steps: readonly Step[]; readonly state: HostState },
    options: Required<Pick<HostOptions, 'log' | 'system'>>,
  ) {
    this.#model = model;
    this.#device = device;
    this.#steps = steps;
    this.#state = state;
    this.#log = options.log;
    this.#system = options.system;
  }

  /** What is in place now, for people and tests. */
  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** Why packets may not find their way although the director works, or null. */
  trouble(): string | null {
    return this.#trouble;
  }

  /** Put back what others remove from now on. Looks are `gapMs` apart, or more when there is much to look at. */
  watch(gapMs: number): void {
    this.#watch = new Watch({
      look: () => this.check().then(() => this.#trouble === null),
      gapMs: () => Math.max(gapMs, this.#steps.length * watchMsPerStep),
      hear: plumbingNotices(this.#system, () => sysctlFiles(this.#steps), gapMs),
    });
    this.#watch.begin();
  }

  /** Acts at once when a VIP that was routed becomes one of the host's own addresses. */
  listen(): void {
    this.#stopListening = watchAddresses(this.#system, (came) => {
      if (!this.#steps.some(({ id }) => id === `route ${came.address}`)) return;
      void this.#inTurn(() => this.#divertOwn(came)).catch(() => undefined); // refused and undone; the look tries again
      void this.check();
    });
  }

  /**
   * Put back what others removed, then apply the difference to the model: new objects first, then the removal of old
   * ones. The difference is all or nothing.
   */
  update(model: HostModel): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed)
        throw new VsnatError('VSNAT_HOST_REFUSED', 'host: closed already; nothing was changed');
      await checkForwarding(model, this.#system);
      await this.#reconcile(model, await findMissing(this.#steps, this.#device, this.#system));
    });
  }

  /** One look of the watch. Never rejects: what is wrong and stays wrong is `trouble()`. */
  check(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) return;
      try {
        await checkForwarding(this.#model, this.#system);
        const missing = await findMissing(this.#steps, this.#device, this.#system);
        if (missing.length === 0) return this.#setTrouble(null);
        this.#trouble ??= `host: missing: ${describeSteps(missing)}; being put back`;
        await this.#reconcile(this.#model, missing);
      } catch (error) {
        this.#setTrouble(said(error));
      }
    });
  }

  /** Undo everything. Idempotent; what cannot be undone is logged, never thrown. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      this.#watch?.close();
      this.#stopListening();
      await this.#undo(this.#steps);
      this.#steps = [];
    });
  }

  async #reconcile(model: HostModel, missing: readonly Step[]): Promise<void> {
    // A host without a rule for table local receives nothing at all: that one comes before any planning.
    for (const version of [4, 6] as const) {
      const { id, do: action } = localBehind(version, false);
      if (action !== null && missing.some((step) => step.id === id)) await runForced(this.#system, [action]);
    }
    const state = await readHostState(this.#system);
    const wanted = planHost(model, this.#device, state);
    const trouble = await this.#putBack(missing, wanted, state);
    await this.#change(model, wanted, state);
    this.#setTrouble(trouble);
  }

  /**
   * Plans from what was seen last and the address that has come: clients are being reset while the host is read anew.
   * Where that does not fit any more, the look that follows does it right.
   */
  async #divertOwn(came: AddressState): Promise<void> {
    if (this.#isClosed || came.interface === this.#device.name) return;
    const state = { ...this.#state, addresses: [...this.#state.addresses, came] };
    await this.#change(this.#model, planHost(this.#model, this.#device, state), state);
  }

  /** From the plan in force to `wanted`, which was made from `state`. */
  async #change(model: HostModel, wanted: readonly Step[], state: HostState): Promise<void> {
    const wantedIds = new Set(wanted.map((step) => step.id));
    const present = new Set(this.#steps.map((step) => step.id));
    const added = wanted.filter((step) => !present.has(step.id));
    await refuseTakenVips(added, this.#device, state, this.#system);
    await applySteps(this.#system, added);
    const removed = this.#steps.filter((step) => !wantedIds.has(step.id));
    this.#sayWhatIsOwnNow(removed, added);
    // Kept steps stay as they were applied: their undo knows how the host was before.
    this.#steps = [...this.#steps.filter((step) => wantedIds.has(step.id)), ...added];
    this.#model = model;
    this.#state = state;
    await this.#undo(removed);
  }

  #sayWhatIsOwnNow(removed: readonly Step[], added: readonly Step[]): void {
    for (const { id } of removed) {
      const address = id.replace(/^route /, '');
      if (added.some((step) => step.id.includes(` to ${address} ipproto `)))
        this.#log.info(`host: ${address} is an address of this host now; only its services are diverted`);
    }
  }

  /** Returns what is wrong afterwards, or null. */
  async #putBack(
    missing: readonly Step[],
    wanted: readonly Step[],
    state: HostState,
  ): Promise<string | null> {
    const wantedIds = new Set(wanted.map((step) => step.id));
    const lost = missing.filter((step) => wantedIds.has(step.id));
    if (lost.length === 0) return null;
    const complaints = await runForced(this.#system, planRepair(lost, wanted, this.#device, state));
    const still = complaints.length === 0 ? [] : await findMissing(lost, this.#device, this.#system);
    const back = lost.filter((step) => !still.includes(step));
    if (back.length > 0)
      this.#log.warn(`host state was changed by somebody else: put back ${describeSteps(back)}`);
    if (still.length === 0) return null;
    return `host: ${describeSteps(still)} cannot be put back, got ${JSON.stringify(complaints[0])}; free what is in the way`;
  }

  /** Said once, not at every look. */
  #setTrouble(trouble: string | null): void {
    if (trouble !== null && trouble !== this.#trouble) this.#log.warn(trouble);
    this.#trouble = trouble;
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
      this.#log.warn(`host: cannot look for other directors: ${said(error)}`);
      return new Set();
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined); // the caller hears of it; the next in line need not
    return turn;
  }
}
