// SPDX-License-Identifier: Apache-2.0
/**
 * Some of the servers of all services, as rows. A place is counted among all servers, whether they fit or not, so what lies
 * before a page and what is filtered out costs no more than its name.
 */
import type { Listing } from '../director/listing.js';
import type { ServerReport, ServiceListing } from '../director/report.js';

export interface ServerQuery {
  readonly service: string | undefined;
  readonly server: string | undefined;
  readonly cursor: number;
  readonly limit: number;
}

export class ServerPage {
  readonly #services: Listing<ServiceListing>;
  readonly #query: ServerQuery;
  #next: number | null = null;

  constructor(services: Listing<ServiceListing>, query: ServerQuery) {
    this.#services = services;
    this.#query = query;
  }

  /** Where the next page begins, once the rows of this one have been gone through; null: there is none. */
  get next(): number | null {
    return this.#next;
  }

  *rows<Row extends object>(
    make: (server: ServerReport) => Row,
  ): Generator<Row & { readonly service: string }, void, undefined> {
    const { service: only, server, cursor, limit } = this.#query;
    let begin = 0;
    let told = 0;
    for (let place = 0; place < this.#services.length; place += 1) {
      const service = this.#services.nameAt(place);
      const { servers } = this.#services.at(place);
      const isWanted = only === undefined || service === only;
      for (let index = Math.max(0, cursor - begin); isWanted && index < servers.length; index += 1) {
        if (server !== undefined && servers.nameAt(index) !== server) continue;
        if (told === limit) {
          this.#next = begin + index;
          return;
        }
        yield { service, ...make(servers.at(index)) };
        told += 1;
      }
      begin += servers.length;
    }
  }
}
