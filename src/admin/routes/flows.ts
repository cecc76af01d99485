// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { refuseUnknown } from '../flow-names.js';
import { defaultRows, flowFilters, maxRows, walkFlows, type FlowFilter } from '../flow-query.js';
import { route } from '../route.js';
import { count, oneOf, orNull, port, text } from '../schemas/words.js';

const row = Type.Object({
  service: orNull(text),
  protocol: oneOf(['tcp', 'udp', 'sctp', 'ip']),
  state: text,
  expiresInSeconds: count,
  clientAddress: text,
  clientPort: port,
  virtualAddress: text,
  virtualPort: port,
  realAddress: text,
  realPort: port,
  queue: count,
});

const meanings: Readonly<Record<FlowFilter, string>> = {
  service: 'Only connections of the service of this name.',
  protocol: 'Only this protocol: tcp, udp, sctp; ip for templates of marks.',
  state: 'Only this state, as ipvsadm writes it.',
  client: 'Only this client: an address, or address:port.',
  vip: 'Only this virtual address, or address:port.',
  server: 'Only this real server: an address, or address:port.',
};

const filterOf = (name: FlowFilter) =>
  Type.Optional(Type.String({ maxLength: 255, description: meanings[name] }));

export const filterSchemas = Object.fromEntries(flowFilters.map((name) => [name, filterOf(name)])) as Record<
  FlowFilter,
  ReturnType<typeof filterOf>
>;

export const flowsRoute = route({
  method: 'GET',
  path: '/v1/flows',
  summary: 'a page of the tracked connections',
  query: {
    cursor: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: '`next` of the page before; 0 for the first.',
      }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: maxRows, default: defaultRows, description: 'Rows of a page.' }),
    ),
    ...filterSchemas,
  },
  refusals: [503],
  answer: Type.Object({ rows: Type.Array(row), next: orNull(count) }),
  handle: ({ actions, query: { cursor = 0, limit = defaultRows, ...filters } }) => {
    const able = actions();
    const query = { cursor, limit, filters };
    const body = walkFlows(query, (from, most) => able.connections(from, most));
    refuseUnknown(query, body, () => able.services());
    return { body };
  },
});
