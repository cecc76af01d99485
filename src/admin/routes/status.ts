// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { reloadResults } from '../../director/reload.js';
import { route } from '../route.js';
import { count, flag, oneOf, orNull, text, unixMs } from '../schemas/words.js';

const device = Type.Object({
  name: text,
  index: count,
  queues: count,
  vnetHeader: flag,
  checksumOffload: flag,
  tso4: flag,
  tso6: flag,
  uso4: flag,
  uso6: flag,
  steering: oneOf(['client-endpoint', 'random', 'none']),
  directEgress: flag,
  directRefusal: orNull(text),
  directIngress: flag,
  ingressRefusal: orNull(text),
  shortcuts: flag,
  uring: flag,
  uringRefusal: orNull(text),
});

const egress = Type.Object({
  setting: oneOf(['auto', 'route', 'direct']),
  way: oneOf(['route', 'direct']),
  reasons: Type.Array(text),
});

const ingress = Type.Object({ ...egress.properties, interfaces: Type.Array(text) });

const director = Type.Object({
  generation: count,
  adopted: flag,
  services: count,
  servers: count,
  device,
  ingress: orNull(ingress),
  egress: orNull(egress),
  shortcuts: count,
  flowTable: Type.Object({
    capacity: count,
    flows: count,
    expired: count,
    evicted: count,
    bytes: count,
    templates: count,
  }),
  packets: Type.Object({
    received: count,
    forwarded: count,
    passed: count,
    generated: count,
    dropped: Type.Record(text, count, { description: 'By reason, those above zero.' }),
  }),
  reloads: Type.Object({
    counts: Type.Object(
      Object.fromEntries(reloadResults.map((result) => [result, count])) as Record<
        (typeof reloadResults)[number],
        typeof count
      >,
    ),
    lastSuccessful: flag,
    lastSuccessAt: unixMs,
    lastError: orNull(text),
  }),
  metricsListen: orNull(text),
});

export const statusRoute = route({
  method: 'GET',
  path: '/v1/status',
  summary: 'who the daemon is and how it does',
  answer: Type.Object({
    pid: count,
    version: text,
    state: oneOf(['starting', 'ready', 'stopping']),
    configFile: text,
    startedAt: unixMs,
    director: orNull(director),
  }),
  handle: ({ source }) => ({
    body: { ...source.status(), director: source.actions()?.directorStatus() ?? null },
  }),
});
