// SPDX-License-Identifier: Apache-2.0
/**
 * lblc and lblcr as the kernel runs them: a cache of entries that point at servers, one pick at a time. Slow, stateful,
 * and written from ip_vs_lblc.c and ip_vs_lblcr.c without regard to plans. Two things are vsnat's: an unused entry
 * goes when its day is over, not at the next half-hourly sweep, and a removed server leaves the sets at once.
 */
export interface KernelServer {
  readonly name: string;
  weight: number;
  active: number;
  inactive: number;
  overloaded: boolean;
}

const expiration = 86_400;

const load = (server: KernelServer): number => server.active * 256 + (server.active + server.inactive);

export abstract class KernelLocal {
  /** Newest first. */
  list: KernelServer[] = [];
  now = 0;

  abstract pick(vip: string): KernelServer | null;
  abstract forget(server: KernelServer): void;

  remove(server: KernelServer): void {
    this.list = this.list.filter((other) => other !== server);
    this.forget(server);
  }

  /** __ip_vs_lblc_schedule: wlc. */
  protected schedule(): KernelServer | null {
    let least: KernelServer | null = null;
    for (const server of this.list) {
      if (server.overloaded || server.weight === 0) continue;
      if (least === null || load(least) * server.weight > load(server) * least.weight) least = server;
    }
    return least;
  }

  protected isOverloaded(server: KernelServer): boolean {
    if (server.active <= server.weight) return false;
    for (const other of this.list) if (other.active * 2 < other.weight) return true;
    return false;
  }
}

export class KernelLblc extends KernelLocal {
  readonly #table = new Map<string, { server: KernelServer; lastUse: number }>();

  forget(server: KernelServer): void {
    for (const [vip, entry] of this.#table) if (entry.server === server) this.#table.delete(vip);
  }

  pick(vip: string): KernelServer | null {
    for (const [key, old] of this.#table) if (this.now >= old.lastUse + expiration) this.#table.delete(key);
    const entry = this.#table.get(vip);
    if (entry !== undefined) {
      entry.lastUse = this.now;
      if (entry.server.weight > 0 && !this.isOverloaded(entry.server)) return entry.server;
    }
    const server = this.schedule();
    if (server !== null) this.#table.set(vip, { server, lastUse: this.now });
    return server;
  }
}

export class KernelLblcr extends KernelLocal {
  readonly #table = new Map<string, { set: KernelServer[]; lastUse: number; lastMod: number }>();

  forget(server: KernelServer): void {
    for (const entry of this.#table.values()) entry.set = entry.set.filter((member) => member !== server);
  }

  pick(vip: string): KernelServer | null {
    for (const [key, old] of this.#table) if (this.now >= old.lastUse + expiration) this.#table.delete(key);
    const entry = this.#table.get(vip);
    if (entry === undefined) {
      const server = this.schedule();
      if (server !== null) this.#table.set(vip, { set: [server], lastUse: this.now, lastMod: this.now });
      return server;
    }
    entry.lastUse = this.now;
    const least = this.#min(entry.set);
    if (entry.set.length > 1 && this.now > entry.lastMod + expiration) {
      const most = this.#max(entry.set);
      if (most !== null) {
        entry.set = entry.set.filter((member) => member !== most);
        entry.lastMod = this.now;
      }
    }
    if (least !== null && !this.isOverloaded(least)) return least;
    const server = this.schedule();
    if (server !== null && !entry.set.includes(server)) {
      entry.set.unshift(server);
      entry.lastMod = this.now;
    }
    return server;
  }

  #min(set: readonly KernelServer[]): KernelServer | null {
    let least: KernelServer | null = null;
    for (const server of set) {
      if (server.overloaded || server.weight === 0) continue;
      if (least === null || load(least) * server.weight > load(server) * least.weight) least = server;
    }
    return least;
  }

  #max(set: readonly KernelServer[]): KernelServer | null {
    let most: KernelServer | null = null;
    for (const server of set) {
      if (server.weight === 0) continue;
      if (most === null || load(most) * server.weight < load(server) * most.weight) most = server;
    }
    return most;
  }
}
