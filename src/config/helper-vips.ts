// SPDX-License-Identifier: Apache-2.0
/**
 * May a helper's service listen there? Of an address of this host itself only the ports that are known beforehand are
 * diverted; the rest stays with the host, its ssh included. The ports of passive FTP are not known, so such a service
 * needs a VIP that is routed to the director. On a reload a service that runs already is let be, as in reach.ts.
 */
import type { Model } from '../model/model.js';
import { formatListen } from '../model/endpoint.js';
import type { VirtualService } from '../model/service.js';
import type { Positions } from './positions.js';
import { Problems, show, type Problem } from './problem.js';
import type { HostNetwork } from './reach.js';

/** Concerns every service, or those `concerns` picks. */
export function validateHelperVips(
  model: Model,
  positions: Positions,
  { addresses = [] }: HostNetwork,
  concerns: (service: VirtualService) => boolean = () => true,
): readonly Problem[] {
  const problems = new Problems(positions);
  const own = new Set(addresses);
  for (const [index, service] of model.services.entries()) {
    if (service.helper === 'none' || !concerns(service)) continue;
    for (const listen of service.listen) {
      if (!own.has(listen.address)) continue;
      problems.add(['services', index, 'listen'], {
        must: `be on no address of this host with helper: ${service.helper}`,
        got: show(formatListen(listen)),
        hint: 'passive data connections would stay with the host; take a VIP that is only routed to the director',
      });
    }
  }
  return problems.list;
}
