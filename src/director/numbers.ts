// SPDX-License-Identifier: Apache-2.0
/** Totals since the last zero, and rates, by name: each server's read from the ledger when it is asked for. */
import type { Numbers } from './accounts.js';
import type { Ledger } from './ledger.js';
import { Listing } from './listing.js';
import type { ServiceListing } from './report.js';

export interface ServerNumbers extends Numbers {
  readonly server: string;
}

export interface ServiceNumbers extends Numbers {
  readonly service: string;
  readonly servers: readonly ServerNumbers[];
}

export interface NumbersListing extends Omit<ServiceNumbers, 'servers'> {
  readonly servers: Listing<ServerNumbers>;
}

export const numbersOf = (services: Listing<ServiceListing>, ledger: Ledger): Listing<NumbersListing> =>
  services.map(({ service, servers: { length, nameAt } }) => ({
    service,
    ...ledger.ofService(service),
    servers: new Listing(length, nameAt, (index) => ({
      server: nameAt(index),
      ...ledger.ofServer(service, nameAt(index)),
    })),
  }));
