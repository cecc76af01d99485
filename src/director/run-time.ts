// SPDX-License-Identifier: Apache-2.0
/**
 * A running director under ipvsadm: changed operation by operation, shown as a virtual server table. Changes and
 * files take turns, each starts from what the one before left, and each is one swap.
 *
 * A file that is loaded again is the truth: what was changed at run time is gone then, and `load` says what it was. Unless
 * the file says `run_time_changes: keep`; then it stays where the file has nothing new to say (keep.ts).
 */
import { problemsOf } from '../config/index.js';
import type { Model } from '../model/index.js';
import { usualAsker } from './asker.js';
import { Authors, type Deviation } from './authors.js';
import { applyOperations, kernelSetTimeouts, type SetTimeouts } from './change.js';
import { describeChange, diffModels, diffServices, type Change } from './diff.js';
import type { Director } from './director.js';
import { keepChanges, type Kept } from './keep.js';
import { Ledger } from './ledger.js';
import type { Listing } from './listing.js';
import { numbersOf, type NumbersListing } from './numbers.js';
import type { Operation } from './operation.js';
import { Pace, paced } from '../pace.js';
import type { ServiceListing } from './report.js';
import { reusingServices } from './reuse.js';
import { findService, noSuchService } from './service-key.js';
import { tableServices, type TableListing } from './table.js';

export type ChangeableDirector = Pick<
  Director,
  'apply' | 'change' | 'counters' | 'model' | 'listing' | 'tallies'
>;

/**
 * Called in the change's own turn, before anything is done, with the revision it is about to replace; throws to refuse.
 * Looking at the revision first and changing then would be two steps, with room for somebody else between them.
 */
export type Precondition = (revision: number) => void;

const always: Precondition = () => undefined;

export interface Loaded {
  readonly changes: readonly Change[];
  readonly lost: readonly Change[];
  /** What was to be kept and could not be, a sentence each. */
  readonly notes: readonly string[];
}

export interface Settled {
  readonly model: Model;
  readonly revision: number;
  /** What was changed since the last file and is not in it; found out while it is gone through. */
  readonly deviations: Iterable<Deviation>;
}

export class RunTime {
  readonly #director: ChangeableDirector;
  readonly #ledger = new Ledger();
  #timeouts = kernelSetTimeouts;
  #file: Model;
  #revision = 1;
  #turn: Promise<unknown> = Promise.resolve();
  #isTicking = false;

  readonly #authors = new Authors();
  #counted: { readonly file: Model | null; readonly model: Model | null; readonly count: number } = {
    file: null,
    model: null,
    count: 0,
  };
  readonly #now: () => number;

  /** `now` in Unix milliseconds. */
  constructor(director: ChangeableDirector, now: () => number = Date.now) {
    this.#director = director;
    this.#now = now;
    this.#file = director.model;
    this.#ledger.look(director.tallies());
  }

  /** What `--set` has set, and a service made now would get. */
  get timeouts(): SetTimeouts {
    return this.#timeouts;
  }

  /** Counts what was asked for and changed something: files and operations, not what health makes of them. */
  get revision(): number {
    return this.#revision;
  }

  /** What was changed since the last file and is not in it. */
  get sinceFile(): readonly Change[] {
    return [...this.#differing()];
  }

  #differing(): Generator<Change, void, undefined> {
    return diffServices(this.#file.services, this.#director.model.services);
  }

  /** The same, with when and by whom. */
  get deviations(): readonly Deviation[] {
    return [...this.#authors.of(this.#differing())];
  }

  /** How many they are. Asked at every scrape, and looked for only when something has changed. */
  get deviationCount(): number {
    const { model } = this.#director;
    if (this.#counted.file !== this.#file || this.#counted.model !== model) {
      let count = 0;
      for (const change of this.#differing()) if (change.what !== 'setting') count += 1;
      this.#counted = { file: this.#file, model, count };
    }
    return this.#counted.count;
  }

  /** What runs once every change under way has succeeded or failed. */
  settled(): Promise<Settled> {
    return this.#inTurn(() =>
      Promise.resolve({
        model: this.#director.model,
        revision: this.#revision,
        deviations: this.#authors.of(this.#differing()),
      }),
    );
  }

  /** Obeys all operations or none. Throws ChangeRefused, or what the dataplane or the host refused with. */
  change(
    operations: readonly Operation[],
    precondition: Precondition = always,
    by = usualAsker,
  ): Promise<readonly Change[]> {
    return this.#inTurn(() => this.#change(operations, precondition, by));
  }

  /** What change() would change, after the same checks. The dataplane and the host are not asked. */
  preview(operations: readonly Operation[], precondition: Precondition = always): Promise<readonly Change[]> {
    return this.#inTurn(() => {
      precondition(this.#revision);
      const { model } = this.#director;
      const wanted = applyOperations({ model, timeouts: this.#timeouts, file: this.#file }, operations).model;
      return Promise.resolve(diffModels(model, wanted));
    });
  }

  /** What load() would do. */
  previewLoad(file: Model, precondition: Precondition = always): Promise<Loaded> {
    return this.#inTurn(() => {
      precondition(this.#revision);
      const { model, notes } = this.#wantedOf(file);
      const changes = diffModels(this.#director.model, model);
      return Promise.resolve({ changes, lost: this.#lostTo(model), notes });
    });
  }

  /** Makes a file's model the running one, and says which changes since the last file that has undone. */
  load(loaded: Model, precondition: Precondition = always): Promise<Loaded> {
    return this.#inTurn(async () => {
      precondition(this.#revision);
      // With the objects that run where they say the same: what differs is then found at a glance.
      const file = await paced(reusingServices(this.#director.model, loaded), new Pace());
      const { model, notes } = this.#wantedOf(file);
      const lost = this.#lostTo(model);
      await this.#look();
      const changes = await this.#director.apply(model);
      this.#remember(changes);
      this.#file = file;
      if (file.admin.runTimeChanges === 'drop') this.#timeouts = kernelSetTimeouts;
      await this.#look();
      return { changes, lost, notes };
    });
  }

  /** A file with what of the changes at run time is to be kept. */
  #wantedOf(file: Model): Kept {
    if (file.admin.runTimeChanges === 'drop') return { model: file, notes: [] };
    const kept = keepChanges(this.#file, this.#director.model, file);
    const [problem] = problemsOf(kept.model);
    if (problem === undefined) return kept;
    const why = `what was changed at run time does not fit the new file and is gone: ${problem.message}`;
    return { model: file, notes: [why] };
  }

  async #change(
    operations: readonly Operation[],
    precondition: Precondition,
    by: string,
  ): Promise<readonly Change[]> {
    let timeouts = this.#timeouts;
    const changes = await this.#director.change((model) => {
      precondition(this.#revision);
      this.#ledger.look(this.#director.tallies());
      const changed = applyOperations({ model, timeouts: this.#timeouts, file: this.#file }, operations);
      timeouts = changed.timeouts;
      return changed.model;
    });
    this.#timeouts = timeouts;
    this.#remember(changes);
    this.#authors.note(changes, this.#now(), by);
    this.#authors.forgetAllBut(() => this.#differing());
    this.#ledger.look(this.#director.tallies());
    return changes;
  }

  #remember(changes: readonly Change[]): void {
    if (changes.length > 0) this.#revision += 1;
  }

  /** Zeroes the totals and rates of the service that listens there, or (null) of all. Throws ChangeRefused. */
  zero(service: string | null): void {
    const found = service === null ? undefined : findService(this.#director.model.services, service);
    if (service !== null && found === undefined) throw noSuchService(service);
    this.#ledger.look(this.#director.tallies());
    this.#ledger.zero(found?.name ?? null);
  }

  /** Totals since the last zero, and rates, by name. */
  async numbers(): Promise<Listing<NumbersListing>> {
    await this.#look();
    return numbersOf(this.#listing(), this.#ledger);
  }

  /** What is shown here has nothing of signals. */
  #listing(): Listing<ServiceListing> {
    return this.#director.listing(this.#director.counters('traffic'));
  }

  /** To be called every two seconds; rates are made of it. */
  async tick(): Promise<void> {
    if (this.#isTicking) return; // the machine has no time for it
    this.#isTicking = true;
    try {
      await this.#look();
      this.#ledger.tick();
    } finally {
      this.#isTicking = false;
    }
  }

  /** Where nothing may leave meanwhile; a change looks at once. */
  #look(): Promise<void> {
    return paced(this.#ledger.looking(this.#director.tallies()), new Pace());
  }

  #lostTo(file: Model): readonly Change[] {
    const since = this.sinceFile;
    if (since.length === 0) return since;
    const kept = new Set(this.#changesOfTouched(file).map(describeChange));
    return since.filter((change) => !kept.has(describeChange(change)));
  }

  /** What a file changes of the last one in services that are no longer as that file made them. */
  #changesOfTouched(file: Model): readonly Change[] {
    const [running, filed] = [this.#director.model.services, this.#file.services];
    const [isRunning, isFiled] = [new Set(running), new Set(filed)];
    const touched = [
      ...filed.filter((one) => !isRunning.has(one)),
      ...running.filter((one) => !isFiled.has(one)),
    ];
    const names = new Set(touched.map(({ name }) => name));
    const ofTouched = ({ services }: Model) => services.filter(({ name }) => names.has(name));
    return [...diffServices(ofTouched(this.#file), ofTouched(file))];
  }

  /** The services as ipvsadm sees them. */
  async table(): Promise<TableListing> {
    await this.#look();
    const { model } = this.#director;
    const services = tableServices(model, this.#listing(), this.#ledger);
    return { size: model.flows.capacity, timeouts: this.#timeouts, services };
  }

  /** Files and changes one after the other, with what is remembered of them. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined); // the caller has the failure
    return result;
  }
}
