// SPDX-License-Identifier: Apache-2.0
/**
 * What is due when: a binary heap, the earliest on top. An entry knows its place, so that it can be moved or taken
 * out without a search. One timer for all of it is the caller's business.
 */
export interface HeapEntry {
  /** When it is due; written by the heap alone. */
  at: number;
  /** Its place, -1 when it is in no heap; written by the heap alone. */
  place: number;
}

export class Heap<E extends HeapEntry> {
  readonly #entries: E[] = [];

  get size(): number {
    return this.#entries.length;
  }

  first(): E | undefined {
    return this.#entries[0];
  }

  /** Puts `entry` in, or moves it when it is in already. */
  set(entry: E, at: number): void {
    entry.at = at;
    if (entry.place < 0) {
      entry.place = this.#entries.length;
      this.#entries.push(entry);
    }
    this.#settle(entry);
  }

  /** Nothing happens when it is not in. */
  delete(entry: E): void {
    const { place } = entry;
    if (place < 0) return;
    entry.place = -1;
    const last = this.#entries.pop();
    if (last === undefined || last === entry) return;
    this.#put(last, place);
    this.#settle(last);
  }

  #settle(entry: E): void {
    let { place } = entry;
    for (;;) {
      const parent = this.#entries[(place - 1) >> 1];
      if (place === 0 || parent === undefined || parent.at <= entry.at) break;
      const up = parent.place;
      this.#put(parent, place);
      place = up;
    }
    for (;;) {
      const left = this.#entries[2 * place + 1];
      const right = this.#entries[2 * place + 2];
      const child = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (child === undefined || child.at >= entry.at) break;
      const down = child.place;
      this.#put(child, place);
      place = down;
    }
    this.#put(entry, place);
  }

  #put(entry: E, place: number): void {
    this.#entries[place] = entry;
    entry.place = place;
  }
}
