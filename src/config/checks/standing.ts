// SPDX-License-Identifier: Apache-2.0
/** Sorry servers beside the real ones, and the quorum that calls for them. */
import type { ServiceDraft } from '../draft/service.js';

export function checkStanding({ servers, sorryServers, quorum }: ServiceDraft): void {
  for (const { id, address } of sorryServers) {
    const twin = servers.find((server) => server.id === id);
    if (twin === undefined) continue;
    address.refuse({
      must: 'be no server of the service',
      hint: `${twin.address.labelFrom(address)} is the same; for a last resort among the servers write backup: true there`,
    });
  }
  if (quorum !== undefined && sorryServers.length === 0)
    quorum.at.refuse({ must: 'come with sorry_server', hint: 'it says when that one serves' });
}
