// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { route } from '../route.js';
import { orNull } from '../schemas/words.js';

export const zeroRoute = route({
  method: 'POST',
  path: '/v1/zero',
  summary: 'draws a new line for totals and rates',
  body: Type.Object(
    { service: orNull(Type.String({ maxLength: 255 })) },
    {
      additionalProperties: false,
      must: 'be {"service": "tcp://10.9.0.1:80"}, or null for all',
    },
  ),
  refusals: [409, 503],
  answer: Type.Object({ result: Type.Literal('zeroed') }),
  handle: ({ actions, body }) => {
    actions().zero(body.service);
    return { body: { result: 'zeroed' as const } };
  },
});
