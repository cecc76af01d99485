// SPDX-License-Identifier: Apache-2.0
/**
 * Totals since the last zero, and rates, of every service and server. The dataplane counts by server and never goes
 * back; the ledger adds up what has come since it last looked, so that a service's packets stay counted when one of
 * its servers leaves, and `-Z` is a line drawn here, while metrics count on.
 *
 * It must look before a server can leave and whenever someone asks; `tick` must be called every two seconds.
 */
import { minus, nextAverages, noFlow, plus, ratesOf, type Averages, type Flow } from '../ipvsadm/index.js';
import type { ServerReport, ServiceReport } from './report.js';

class Account {
  /** What the dataplane said last. */
  #seen: Flow;
  #total: Flow = noFlow;
  #zero: Flow = noFlow;
  #atTick: Flow = noFlow;
  #averages: Averages = noFlow;

  constructor(seen: Flow) {
    this.#seen = seen;
  }

  /** Takes new numbers of the dataplane and returns what they add. A server that came back may begin at nothing again. */
  see(now: Flow): Flow {
    const beginsAnew = now.connections < this.#seen.connections || now.inPackets < this.#seen.inPackets;
    const added = beginsAnew ? now : minus(now, this.#seen);
    this.#seen = now;
    this.add(added);
    return added;
  }

  add(added: Flow): void {
    this.#total = plus(this.#total, added);
  }

  tick(): void {
    this.#averages = nextAverages(this.#averages, minus(this.#total, this.#atTick));
    this.#atTick = this.#total;
  }

  drawLine(): void {
    this.#zero = this.#total;
    this.#atTick = this.#total;
    this.#averages = noFlow;
  }

  get numbers(): Numbers {
    return { totals: minus(this.#total, this.#zero), rates: ratesOf(this.#averages) };
  }
}

export interface Numbers {
  readonly totals: Flow;
  readonly rates: Flow;
}

interface ServiceAccount {
  readonly own: Account;
  /** By server id. Those of servers that left stay: one that comes back finds its numbers, as in the kernel. */
  readonly servers: Map<string, Account>;
}

const nothing: Numbers = { totals: noFlow, rates: noFlow };

export class Ledger {
  readonly #services = new Map<string, ServiceAccount>();

  /** What is seen for the first time begins at nothing. */
  look(reports: readonly ServiceReport[]): void {
    const present = new Set(reports.map(({ service }) => service));
    for (const name of this.#services.keys()) if (!present.has(name)) this.#services.delete(name);
    for (const report of reports) this.#lookAt(report);
  }

  tick(reports: readonly ServiceReport[]): void {
    this.look(reports);
    for (const account of this.#accounts()) account.tick();
  }

  /** Zeroes one service and its servers, or (null) everything. */
  zero(service: string | null): void {
    for (const account of this.#accounts(service)) account.drawLine();
  }

  ofService(service: string): Numbers {
    return this.#services.get(service)?.own.numbers ?? nothing;
  }

  ofServer(service: string, server: string): Numbers {
    return this.#services.get(service)?.servers.get(server)?.numbers ?? nothing;
  }

  #lookAt(report: ServiceReport): void {
    const opening: Flow = { ...noFlow, connections: report.connections };
    const account = this.#services.get(report.service) ?? {
      own: new Account(opening),
      servers: new Map<string, Account>(),
    };
    this.#services.set(report.service, account);
    account.own.see(opening); // of a service the dataplane counts connections only
    for (const server of report.servers) {
      const numbers = flowOf(server);
      const known = account.servers.get(server.server);
      if (known === undefined) account.servers.set(server.server, new Account(numbers));
      else account.own.add({ ...known.see(numbers), connections: 0 });
    }
  }

  *#accounts(service: string | null = null): Generator<Account> {
    for (const [name, { own, servers }] of this.#services) {
      if (service !== null && name !== service) continue;
      yield own;
      yield* servers.values();
    }
  }
}

const flowOf = ({ connections, inPackets, outPackets, inBytes, outBytes }: ServerReport): Flow => ({
  connections,
  inPackets,
  outPackets,
  inBytes,
  outBytes,
});
