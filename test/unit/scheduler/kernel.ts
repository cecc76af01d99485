// SPDX-License-Identifier: Apache-2.0
/**
 * rr and wrr as the kernel runs them: a list, a pointer, a threshold, one pick at a time. Slow, stateful, and written
 * from ip_vs_rr.c and ip_vs_wrr.c without regard to plans; the plans must agree with it through any history.
 */

export interface KernelServer {
  readonly name: string;
  weight: number;
  overloaded: boolean;
}

/** Newest first. -1 as a position is the list head. */
abstract class KernelService {
  list: KernelServer[] = [];
  abstract changed(): void;
  abstract pick(): string | null;

  add(name: string, weight: number): void {
    this.list.unshift({ name, weight, overloaded: false });
    this.added?.();
    this.changed();
  }

  edit(name: string, weight: number): void {
    const server = this.list.find((candidate) => candidate.name === name);
    if (server !== undefined) server.weight = weight;
    this.changed();
  }

  remove(name: string): void {
    const position = this.list.findIndex((candidate) => candidate.name === name);
    this.removing?.(position);
    this.list.splice(position, 1);
    this.changed();
  }

  /** Before the list changes; only rr's pointer needs to know where. */
  protected added?(): void;
  protected removing?(position: number): void;
}

export class KernelRr extends KernelService {
  #pointer = -1;

  changed(): void {
    /* weights do not matter to rr */
  }

  protected override added(): void {
    if (this.#pointer >= 0) this.#pointer += 1;
  }

  protected override removing(position: number): void {
    if (position <= this.#pointer) this.#pointer -= 1;
  }

  pick(): string | null {
    const last = this.#pointer;
    for (let step = 1; step <= this.list.length; step += 1) {
      const position = (last + step + this.list.length) % this.list.length;
      const server = this.list[position];
      if (server === undefined || server.weight === 0 || server.overloaded) continue;
      this.#pointer = position;
      return server.name;
    }
    return null;
  }
}

export class KernelWrr extends KernelService {
  #last = -1;
  #threshold = 0;
  #divisor = 1;
  #top = 0;

  /** Another scheduler bound over servers that exist. */
  bind(servers: readonly KernelServer[]): void {
    this.list = [...servers];
    this.#threshold = 0;
    this.changed();
  }

  changed(): void {
    const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
    this.#last = -1;
    this.#divisor = this.list.map(({ weight }) => weight).reduce((a, b) => gcd(a, b), 0) || 1;
    this.#top = Math.max(0, ...this.list.map(({ weight }) => weight)) - (this.#divisor - 1);
    if (this.#threshold > this.#top || this.#threshold === 0) this.#threshold = this.#top;
    else if (this.#divisor > 1) {
      this.#threshold = Math.floor(this.#threshold / this.#divisor) * this.#divisor + 1;
    }
  }

  pick(): string | null {
    if (this.#top === 0) return null;
    let position = this.#last;
    // Every server is tried at every threshold once before giving up.
    const passes = Math.ceil(this.#top / this.#divisor) + 1;
    for (let pass = 0; pass <= passes; pass += 1) {
      for (position += 1; position < this.list.length; position += 1) {
        const server = this.list[position];
        if (server === undefined || server.overloaded || server.weight < this.#threshold) continue;
        this.#last = position;
        return server.name;
      }
      this.#threshold -= this.#divisor;
      if (this.#threshold <= 0) this.#threshold = this.#top;
      position = -1;
    }
    return null;
  }
}
