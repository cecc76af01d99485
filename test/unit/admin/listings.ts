// SPDX-License-Identifier: Apache-2.0
import { expect } from 'vitest';

import { Listing } from '../../../src/director/listing.js';
import type { ServiceListing } from '../../../src/director/report.js';

/** Services with servers, as they are listed: their names, and nothing put together. */
export function listing(services: Readonly<Record<string, readonly string[]>>): Listing<ServiceListing> {
  const names = Object.keys(services);
  const serversAt = (index: number): readonly string[] => services[names[index] ?? ''] ?? [];
  return new Listing(
    names.length,
    (index) => names[index] ?? '',
    (index) => {
      const ids = serversAt(index);
      return {
        servers: new Listing(
          ids.length,
          (at) => ids[at] ?? '',
          () => expect.unreachable(),
        ),
      } as unknown as ServiceListing;
    },
  );
}
