// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { route } from '../route.js';
import { numbers } from '../schemas/numbers.js';
import { count, flag, oneOf, orNull, port, protocol, text } from '../schemas/words.js';

const server = Type.Object({
  address: text,
  port,
  weight: count,
  upperThreshold: count,
  lowerThreshold: count,
  active: count,
  inactive: count,
  persistent: count,
  ...numbers,
});

const service = Type.Object({
  key: Type.Union([
    Type.Object({ protocol, address: text, port }),
    Type.Object({ mark: count, family: oneOf(['ipv4', 'ipv6']) }),
  ]),
  scheduler: text,
  flags: Type.Array(count),
  persistence: orNull(count),
  netmask: Type.Union([text, count]),
  engine: orNull(text),
  onePacket: flag,
  ...numbers,
  servers: Type.Array(server),
});

export const tableRoute = route({
  method: 'GET',
  path: '/v1/table',
  summary: 'the services as ipvsadm sees them: thresholds, totals since the last zero, rates, timeouts',
  refusals: [503],
  answer: Type.Object({
    size: count,
    timeouts: Type.Object({ tcp: count, tcpFin: count, udp: count }),
    services: Type.Array(service),
  }),
  handle: async ({ actions }) => ({ body: await actions().table() }),
});
