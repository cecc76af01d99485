// SPDX-License-Identifier: Apache-2.0
/** Rows of the view: members brought together by server, by service, or all of them, and added up. */
import type { Sum } from './sums.js';

export interface Named {
  readonly service: string;
  readonly server: string;
  /** Of health checks; '' elsewhere. */
  readonly kind: string;
}

/** Whatever is told of a service, and maybe of a server of it. */
export type Member = Pick<Named, 'service'> & Partial<Named>;

const nameOf = ({ service, server = '', kind = '' }: Member): Named => ({ service, server, kind });

/** What has one series of a metric: one of something, or several added up. */
export interface Row<Added> extends Named {
  readonly sum: Added;
}

export type By = 'server' | 'service' | 'nothing';

/** In the order in which their first members come. */
export class RowsBy<One, Added extends Sum<One>> {
  readonly rows: Row<Added>[] = [];
  readonly #by: By;
  readonly #make: () => Added;
  /** Those of the server that came last: its members come in a row, one kind and rarely more. */
  #ofServer: Row<Added>[] = [];
  /** By kind and service. */
  readonly #known = new Map<string, Map<string, Row<Added>>>();

  constructor(by: By, make: () => Added) {
    this.#by = by;
    this.#make = make;
  }

  add(name: Named, one: One): void {
    const row = this.#by === 'server' ? this.#rowOfServer(name) : this.#rowOfService(name);
    row.sum.add(one);
  }

  /** In steps. */
  *addingAll(members: Iterable<One & Member>): Generator<void, void> {
    for (const member of members) {
      this.add(nameOf(member), member);
      yield;
    }
  }

  #rowOfServer({ service, server, kind }: Named): Row<Added> {
    const [last] = this.#ofServer;
    if (last?.service !== service || last.server !== server) this.#ofServer = [];
    const known = this.#ofServer.find((row) => row.kind === kind);
    if (known !== undefined) return known;
    const row = this.#begin({ service, server, kind });
    this.#ofServer.push(row);
    return row;
  }

  #rowOfService({ service, kind }: Named): Row<Added> {
    const name = this.#by === 'service' ? service : '';
    const byName = this.#known.get(kind) ?? new Map<string, Row<Added>>();
    this.#known.set(kind, byName);
    const row = byName.get(name) ?? this.#begin({ service: name, server: '', kind });
    byName.set(name, row);
    return row;
  }

  #begin({ service, server, kind }: Named): Row<Added> {
    const row = { service, server, kind, sum: this.#make() };
    this.rows.push(row);
    return row;
  }
}

/** How many rows there would be, in each way. */
export function* countRows(members: Iterable<Member>): Generator<void, Record<By, number>> {
  let servers = 0;
  let last: Named | undefined;
  const ofServer = new Set<string>();
  const services = new Map<string, Set<string>>();
  for (const member of members) {
    const item = nameOf(member);
    if (last?.service !== item.service || last.server !== item.server) ofServer.clear();
    last = item;
    if (!ofServer.has(item.kind)) {
      ofServer.add(item.kind);
      servers += 1;
      const known = services.get(item.kind);
      if (known === undefined) services.set(item.kind, new Set([item.service]));
      else known.add(item.service);
    }
    yield;
  }
  const service = [...services.values()].reduce((sum, { size }) => sum + size, 0);
  return { server: servers, service, nothing: services.size };
}
