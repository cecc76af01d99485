// SPDX-License-Identifier: Apache-2.0
/** Who changed what at run time, and when: remembered by the thing that was changed, for as long as it is not as the file says. */
import type { Change } from './diff.js';

/** Something that runs and is not in the file. */
export interface Deviation {
  readonly change: Change;
  /** Unix milliseconds; null for what only follows from other changes. */
  readonly at: number | null;
  /** Who asked for it (asker.ts). */
  readonly by: string | null;
}

/** As many may be kept without asking whether they are still needed. */
const leastKept = 10_000;

export class Authors {
  readonly #last = new Map<string, { readonly at: number; readonly by: string }>();
  #most = leastKept;

  note(changes: Iterable<Change>, at: number, by: string): void {
    for (const change of changes) this.#last.set(thingOf(change), { at, by });
  }

  *of(changes: Iterable<Change>): Generator<Deviation, void, undefined> {
    for (const change of changes) {
      const { at = null, by = null } = this.#last.get(thingOf(change)) ?? {};
      yield { change, at, by };
    }
  }

  /** Keeps those of `wanted`, which is asked for once they have become many. */
  forgetAllBut(wanted: () => Iterable<Change>): void {
    if (this.#last.size <= this.#most) return;
    const kept = new Set<string>();
    for (const change of wanted()) kept.add(thingOf(change));
    for (const thing of this.#last.keys()) if (!kept.has(thing)) this.#last.delete(thing);
    this.#most = Math.max(leastKept, 2 * this.#last.size);
  }
}

/** What a change is about, whatever it was before and after. */
const thingOf = (change: Change): string =>
  [change.what, change.name, change.kind === 'changed' ? change.property : ''].join('\n');
