// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { route } from '../route.js';
import { count, flag, oneOf, orNull, text, unixMs } from '../schemas/words.js';

const verdict = oneOf(['unknown', 'up', 'down']);

const check = Type.Object({
  kind: oneOf(['tcp', 'http', 'https', 'dns', 'udp', 'icmp', 'exec', 'agent', 'module']),
  verdict,
  lastAt: orNull(unixMs),
  lastDurationMs: orNull(Type.Number({ minimum: 0 })),
  lastMessage: text,
  consecutive: Type.Integer({ description: 'Answers like the last one in a row; negative of bad ones.' }),
  rise: count,
  fall: count,
});

export const healthRoute = route({
  method: 'GET',
  path: '/v1/health',
  summary: 'what the checks know of every checked server',
  query: {
    service: Type.Optional(Type.String({ maxLength: 255, description: 'Only servers of this service.' })),
    server: Type.Optional(Type.String({ maxLength: 255, description: 'Only this `address:port`.' })),
  },
  refusals: [503],
  answer: Type.Object({
    servers: Type.Array(
      Type.Object({
        service: text,
        server: text,
        verdict,
        weightPercent: orNull(Type.Number()),
        drainAsked: flag,
        suspect: flag,
        since: unixMs,
        checks: Type.Array(check),
      }),
    ),
  }),
  handle: ({ actions, query }) => ({
    body: {
      servers: actions()
        .health()
        .filter(({ service }) => query.service === undefined || service === query.service)
        .filter(({ server }) => query.server === undefined || server === query.server),
    },
  }),
});
