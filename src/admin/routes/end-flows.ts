// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { parseAddress, parseEndpoint, type Endpoint } from '../../model/index.js';
import { usage } from '../refusal.js';
import { shown } from '../read-values.js';
import { route } from '../route.js';
import { count, oneOf } from '../schemas/words.js';

const address = (description: string) => Type.Optional(Type.String({ maxLength: 64, description }));

export const endFlowsRoute = route({
  method: 'DELETE',
  path: '/v1/flows',
  summary: 'ends the connections that fit all that is given',
  query: {
    service: Type.Optional(
      Type.String({ maxLength: 255, description: 'Of this service, by its name or one of its addresses.' }),
    ),
    server: address('To this real server, `address:port`.'),
    protocol: Type.Optional({ ...oneOf(['tcp', 'udp', 'sctp']), description: 'Of this protocol.' }),
    client: address('Of this client: an address, or `address:port`.'),
    vip: address('To this virtual address, or `address:port`.'),
    all: Type.Optional(Type.Boolean({ description: '1: every connection, when nothing else is given.' })),
    how: Type.Optional({
      ...oneOf(['reset', 'silence']),
      description: '`reset` (default) tells both ends of TCP; `silence` tells nobody.',
    }),
  },
  refusals: [409, 503],
  answer: Type.Object({ ended: count }),
  handle: async ({ actions, query: { client, vip, how = 'reset', all = false, ...names } }) => {
    if (!all && Object.keys(names).length === 0 && client === undefined && vip === undefined)
      throw usage('query', 'name the connections to end; all=1 ends every one');
    const from = placeOf('client', client);
    const to = placeOf('vip', vip);
    const selection = {
      ...names,
      ...(from !== undefined && { clientAddress: from.address }),
      ...(from?.port !== undefined && { clientPort: from.port }),
      ...(to !== undefined && { virtualAddress: to.address }),
      ...(to?.port !== undefined && { virtualPort: to.port }),
    };
    return { body: { ended: await actions().endConnections(selection, how) } };
  },
});

type Place = Pick<Endpoint, 'address'> & Partial<Pick<Endpoint, 'port'>>;

function placeOf(name: string, text: string | undefined): Place | undefined {
  if (text === undefined) return undefined;
  const address = parseAddress(text);
  if (address.ok) return { address: address.value };
  const endpoint = parseEndpoint(text);
  if (endpoint.ok) return endpoint.value;
  throw usage(name, `be an address, or address:port ([v6]:port), got ${shown(text)}`);
}
