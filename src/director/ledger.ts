// SPDX-License-Identifier: Apache-2.0
/**
 * Totals since the last zero, and rates, of every service and server. The dataplane counts by server and never goes
 * back; the ledger adds up what has come since it last looked, so that a service's packets stay counted when one of
 * its servers leaves, and `-Z` is a line drawn here, while metrics count on.
 *
 * It must look before a server can leave and whenever someone asks; `tick` must be called every two seconds. With a
 * hundred thousand servers that is the most work the daemon does regularly, so the accounts are rows of one array
 * (accounts.ts), the row of a server is looked up by name once for each list of servers that is published, and a look that
 * nobody has to wait for is made in steps.
 */
import { noFlow, type Flow } from '../ipvsadm/index.js';
import { Accounts, type Numbers } from './accounts.js';
import { atOnce } from '../pace.js';

/** What one service and its servers have counted, as reconciler.ts reads it. */
export interface ServiceTally {
  readonly service: string;
  readonly connections: number;
  /** The same array as long as it is the same servers. */
  readonly servers: readonly { readonly server: string }[];
  readonly countedAt: (index: number) => Flow | undefined;
}

interface ServiceAccount {
  readonly own: number;
  /** Rows by server id. Those of servers that left stay: one that comes back finds its numbers, as in the kernel. */
  readonly servers: Map<string, number>;
  /** Those present, and their rows in the same order. */
  present: ServiceTally['servers'];
  rows: Int32Array;
  /** In which look it was there last. */
  lookedAt: number;
}

const nothing: Numbers = { totals: noFlow, rates: noFlow };

export class Ledger {
  readonly #services = new Map<string, ServiceAccount>();
  readonly #accounts = new Accounts();
  #looks = 0;

  /** What is seen for the first time begins at nothing. */
  look(tallies: Iterable<ServiceTally>): void {
    atOnce(this.looking(tallies));
  }

  /** The same in steps. A look that begins before it has ended has newer numbers of everything, and is the end of it. */
  looking(tallies: Iterable<ServiceTally>): Generator<void, void, undefined> {
    this.#looks += 1;
    return this.#steps(this.#looks, tallies);
  }

  *#steps(look: number, tallies: Iterable<ServiceTally>): Generator<void, void, undefined> {
    let present = 0;
    for (const tally of tallies) {
      const steps = this.#lookingAt(tally);
      for (;;) {
        if (this.#looks !== look) return;
        if (steps.next().done === true) break;
        yield;
      }
      present += 1;
    }
    if (present < this.#services.size) this.#forget();
  }

  /** To be called every two seconds, after a look. */
  tick(): void {
    this.#accounts.tick();
  }

  /** Zeroes one service and its servers, or (null) everything. */
  zero(service: string | null): void {
    for (const [name, { own, servers }] of this.#services) {
      if (service !== null && name !== service) continue;
      this.#accounts.drawLine(own);
      for (const row of servers.values()) this.#accounts.drawLine(row);
    }
  }

  ofService(service: string): Numbers {
    const account = this.#services.get(service);
    return account === undefined ? nothing : this.#accounts.numbers(account.own);
  }

  ofServer(service: string, server: string): Numbers {
    const row = this.#services.get(service)?.servers.get(server);
    return row === undefined ? nothing : this.#accounts.numbers(row);
  }

  *#lookingAt(tally: ServiceTally): Generator<void, void, undefined> {
    const { service, connections, servers, countedAt } = tally;
    const opening: Flow = { ...noFlow, connections }; // of a service the dataplane counts connections only
    let account = this.#services.get(service);
    if (account === undefined) {
      const own = this.#accounts.open(opening);
      account = { own, servers: new Map(), present: [], rows: new Int32Array(), lookedAt: 0 };
      this.#services.set(service, account);
    } else this.#accounts.see(account.own, opening);
    if (account.present !== servers) this.#admit(account, tally);
    account.lookedAt = this.#looks;
    const { own, rows } = account;
    for (let index = 0; index < rows.length; index += 1) {
      this.#accounts.see(rows[index] ?? 0, countedAt(index) ?? noFlow, own);
      yield;
    }
  }

  #admit(account: ServiceAccount, { servers, countedAt }: ServiceTally): void {
    account.present = servers;
    account.rows = Int32Array.from(servers, ({ server }, index) => {
      const row = account.servers.get(server) ?? this.#accounts.open(countedAt(index) ?? noFlow);
      account.servers.set(server, row);
      return row;
    });
  }

  #forget(): void {
    for (const [name, { own, servers, lookedAt }] of this.#services) {
      if (lookedAt === this.#looks) continue;
      this.#services.delete(name);
      for (const row of [own, ...servers.values()]) this.#accounts.close(row);
    }
  }
}
