// SPDX-License-Identifier: Apache-2.0
/**
 * A list whose items are put together one by one, when they are asked for, and are known by name before that. What there is
 * of a hundred thousand servers is then written or added up piece by piece, and nobody waits until all of it is in memory.
 */
export class Listing<Item> implements Iterable<Item> {
  constructor(
    readonly length: number,
    /** Costs nothing. */
    readonly nameAt: (index: number) => string,
    readonly at: (index: number) => Item,
  ) {}

  [Symbol.iterator](): Iterator<Item> {
    return this.from(0);
  }

  *from(begin: number, end: number = this.length): Generator<Item, void, undefined> {
    for (let index = begin; index < Math.min(end, this.length); index += 1) yield this.at(index);
  }

  names(): readonly string[] {
    return Array.from({ length: this.length }, (_, index) => this.nameAt(index));
  }

  map<Other>(make: (item: Item) => Other): Listing<Other> {
    return new Listing(this.length, this.nameAt, (index) => make(this.at(index)));
  }
}
