// SPDX-License-Identifier: Apache-2.0
import { Type, type TSchema } from '@sinclair/typebox';

import { defaultRows, flowFilters, flowStates, maxRows, type FlowFilter } from '../flow-filters.js';
import { walkFlows } from '../flow-query.js';
import { refuseUnknownOfFlows } from '../known-names.js';
import { route } from '../route.js';
import { count, oneOf, orNull, port, text } from '../schemas/words.js';

const protocol = oneOf(['tcp', 'udp', 'sctp', 'ip']);

const row = Type.Object({
  service: orNull(text),
  protocol,
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

const named = Type.String({ maxLength: 255 });

const schemas: Readonly<Record<FlowFilter, readonly [schema: TSchema, meaning: string]>> = {
  service: [named, 'Only connections of the service of this name.'],
  protocol: [protocol, 'Only this protocol: tcp, udp, sctp; ip for templates of marks.'],
  state: [oneOf(flowStates), 'Only this state, as ipvsadm writes it.'],
  client: [named, 'Only this client: an address, or address:port.'],
  vip: [named, 'Only this virtual address, or address:port.'],
  server: [named, 'Only this real server: an address, or address:port.'],
};

const filterOf = (filter: FlowFilter) => {
  const [schema, description] = schemas[filter];
  return Type.Optional(Type.Unsafe<string>({ ...schema, description }));
};

const filterSchemas = Object.fromEntries(flowFilters.map((name) => [name, filterOf(name)])) as Record<
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
    refuseUnknownOfFlows(query, body, () => able.services());
    return { body };
  },
});
