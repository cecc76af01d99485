// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { parseEndpoint, type Endpoint } from '../../model/index.js';
import { usage } from '../refusal.js';
import { route } from '../route.js';
import { flag, oneOf, orNull, protocol, text } from '../schemas/words.js';

const endpoint = (description: string) => Type.String({ maxLength: 64, description });

export const explainRoute = route({
  method: 'GET',
  path: '/v1/explain',
  summary: 'what would become of the first packet of a connection, and why; asking changes nothing',
  query: {
    protocol,
    client: endpoint('address:port it comes from.'),
    to: endpoint('address:port it goes to.'),
  },
  refusals: [503],
  answer: Type.Object({
    packet: text,
    verdict: oneOf(['forwarded', 'passed', 'dropped']),
    reason: orNull(text),
    service: orNull(text),
    basis: orNull(oneOf(['connection', 'reply', 'persistence', 'scheduler'])),
    server: orNull(text),
    certain: flag,
    steps: Type.Array(text),
    counts: Type.Array(text),
  }),
  handle: async ({ actions, query }) => {
    const tuple = {
      protocol: query.protocol,
      client: read('client', query.client),
      to: read('to', query.to),
    };
    return { body: await actions().explain(tuple) };
  },
});

function read(name: string, value: string): Endpoint {
  const parsed = parseEndpoint(value);
  if (!parsed.ok) throw usage(name, `${parsed.must}${parsed.hint === undefined ? '' : `; ${parsed.hint}`}`);
  return parsed.value;
}
