// SPDX-License-Identifier: Apache-2.0
/**
 * May a helper's service listen there? Of an address of this host itself only the ports that are known beforehand are
 * diverted; the rest stays with the host, its ssh included. The ports of passive FTP are not known, so such a service
 * needs a VIP that is routed to the director. On a reload a service that runs already is let be, as in reach.ts.
 */
import { formatListen } from '../model/endpoint.js';
import type { ServiceDraft } from './draft/service.js';
import { show } from './problem.js';
import type { HostNetwork, Remark } from './reach.js';

/** What there is to say of services with a helper on an address of the host's own. */
export function* helperComplaints(
  services: readonly ServiceDraft[],
  { addresses = [] }: HostNetwork,
): Generator<Remark & { readonly service: ServiceDraft }> {
  const own = new Set(addresses);
  for (const service of services) {
    const helper = service.helper?.value ?? 'none';
    if (helper === 'none') continue;
    for (const { value } of service.listen) {
      if (!own.has(value.address)) continue;
      yield {
        service,
        at: service.at.get('listen'),
        complaint: {
          must: `be on no address of this host with helper: ${helper}`,
          got: show(formatListen(value)),
          hint: 'passive data connections would stay with the host; take a VIP that is only routed to the director',
        },
      };
    }
  }
}
