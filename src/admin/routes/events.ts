// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { eventKinds, type DirectorEvent } from '../../director/events.js';
import { numberOf } from '../event-streams.js';
import { refuseUnknown } from '../known-names.js';
import { route } from '../route.js';
import { count, oneOf, orNull, text, unixMs } from '../schemas/words.js';

const event = Type.Object({
  id: count,
  at: unixMs,
  kind: oneOf(eventKinds),
  service: orNull(text),
  server: orNull(text),
  text: Type.String({ description: 'One sentence, for people.' }),
  detail: Type.Record(text, Type.Unknown(), { description: 'The same for machines.' }),
});

export const eventsRoute = route({
  method: 'GET',
  path: '/v1/events',
  summary: 'what happened and happens, as server-sent events',
  query: {
    follow: Type.Optional(
      Type.Boolean({ description: '0: what there is, as JSON, instead of a stream that goes on.' }),
    ),
    after: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Begin with the events after this number; 0 for all that are kept.',
      }),
    ),
    kind: Type.Optional({ ...oneOf(eventKinds), description: 'Only events of this kind.' }),
    service: Type.Optional(Type.String({ maxLength: 255, description: 'Only events of this service.' })),
    server: Type.Optional(Type.String({ maxLength: 255, description: 'Only events of this server.' })),
  },
  otherTypes: ['text/event-stream'],
  refusals: [503],
  answer: Type.Object({ events: Type.Array(event), missed: count, last: count }),
  handle: ({ actions, source, query, lastEventId }) => {
    const able = actions();
    const events = able.events();
    const { kind, service, server, follow = true } = query;
    const wanted = (one: DirectorEvent): boolean =>
      (kind === undefined || one.kind === kind) &&
      (service === undefined || one.service === service) &&
      (server === undefined || one.server === server);
    if (!follow) {
      const page = events.after(query.after ?? 0);
      const found = page.events.filter(wanted);
      if (found.length === 0) refuseUnknown(query, () => able.services()); // what has left may have had events
      return { body: { ...page, events: found, last: events.last } };
    }
    source.streams.assertRoom();
    const instance = source.status().startedAt.toString(36);
    const after = lastEventId === null ? (query.after ?? null) : numberOf(lastEventId, instance);
    return {
      stream: (response) => source.streams.open(response, events, { instance, wanted, after }),
      type: 'text/event-stream',
    };
  },
});
