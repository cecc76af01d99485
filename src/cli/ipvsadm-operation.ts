// SPDX-License-Identifier: Apache-2.0
/** From what ipvsadm asks to what the daemon is told. */
import type { Operation } from '../director/operation.js';
import { familyOfKey, flagOf, formatKey, type Request } from '../ipvsadm/index.js';
import { formatEndpoint, parseNetmask } from '../model/index.js';

/** undefined for requests that change nothing. */
export function operationOf(request: Request): Operation | undefined {
  switch (request.command) {
    case 'add-service':
    case 'edit-service': {
      const { scheduler, flags, persistence, netmask, engine, onePacket } = request.settings;
      const network = parseNetmask(netmask, familyOfKey(request.service));
      return {
        op: request.command,
        service: formatKey(request.service),
        scheduler,
        // A flag without a name has been refused by refusedByDesign(), or goes with a scheduler that does not exist.
        flags: flags.flatMap((flag) => flagOf(scheduler, flag) ?? []),
        persistence:
          persistence === null || !network.ok ? null : { timeoutSeconds: persistence, ...network.value },
        engine,
        onePacket,
      };
    }
    case 'delete-service':
      return { op: 'delete-service', service: formatKey(request.service) };
    case 'add-server':
    case 'edit-server': {
      const { weight, upperThreshold, lowerThreshold } = request.settings;
      const service = formatKey(request.service);
      const server = formatEndpoint(request.server);
      return { op: request.command, service, server, weight, upperThreshold, lowerThreshold };
    }
    case 'delete-server':
      return {
        op: 'delete-server',
        service: formatKey(request.service),
        server: formatEndpoint(request.server),
      };
    case 'flush':
      return { op: 'clear' };
    case 'set':
      return { op: 'set-timeouts', ...request.timeouts };
    default:
      return undefined;
  }
}
