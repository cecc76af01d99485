// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { route } from '../route.js';
import { numbers } from '../schemas/numbers.js';
import { text } from '../schemas/words.js';

export const statsRoute = route({
  method: 'GET',
  path: '/v1/stats',
  summary: 'totals since the last zero and rates, by service and server',
  refusals: [503],
  answer: Type.Object({
    services: Type.Array(
      Type.Object({
        service: text,
        ...numbers,
        servers: Type.Array(Type.Object({ server: text, ...numbers })),
      }),
    ),
  }),
  handle: async ({ actions }) => ({ body: { services: await actions().numbers() } }),
});
