// SPDX-License-Identifier: Apache-2.0
/** Which connections an operator means, in names; the dataplane knows slots. */
import type { FlowSelection } from '../dataplane/dataplane.js';
import { parseServer, type IpAddress, type Protocol } from '../model/index.js';
import { ChangeRefused } from './change-refused.js';
import { findService, noSuchService } from './service-key.js';
import type { Running } from './running.js';

/** All of what is given must fit; nothing given is every connection. */
export interface ConnectionSelection {
  /** By name or where it listens. */
  readonly service?: string;
  /** address:port; of the service, or of any. */
  readonly server?: string;
  readonly protocol?: Protocol;
  readonly clientAddress?: IpAddress;
  readonly clientPort?: number;
  readonly virtualAddress?: IpAddress;
  readonly virtualPort?: number;
}

/** Throws ChangeRefused. */
export function selectionOf(
  { service: text, server, ...rest }: ConnectionSelection,
  running: Pick<Running, 'model' | 'slotsOf'>,
): FlowSelection {
  if (text === undefined) return { ...rest, ...(server !== undefined && realOf(server)) };
  const service = findService(running.model.services, text);
  if (service === undefined) throw noSuchService(text);
  const slots = running.slotsOf(service.name, server ?? null);
  if (slots === undefined)
    throw new ChangeRefused(
      'no-such-server',
      `server ${server ?? ''}: must exist in service ${service.name}`,
    );
  const { serviceSlot, serverSlot } = slots;
  return { ...rest, serviceSlot, ...(serverSlot !== undefined && { serverSlot }) };
}

function realOf(server: string): FlowSelection {
  const endpoint = parseServer(server);
  if (!endpoint.ok) throw new ChangeRefused('not-an-address', `server ${server}: must ${endpoint.must}`);
  const { address, port } = endpoint.value;
  return { realAddress: address, ...(port !== 0 && { realPort: port }) };
}
