// SPDX-License-Identifier: Apache-2.0
/** Services and servers with their numbers (src/director/report.ts). */
import { Type } from '@sinclair/typebox';

import { count, flag, oneOf, orNull, port, protocol, text } from './words.js';

export const persistence = Type.Object({
  timeoutSeconds: count,
  prefixLength: count,
  mask: Type.Optional(text),
});

export const listen = Type.Object({ protocol, address: text, port });

const histogram = Type.Object({
  counts: Type.Array(count, { description: 'By bucket; the bounds are those of the metrics.' }),
  count,
  sum: Type.Number({ description: 'Seconds.' }),
});

/** What packets tell about a server (src/dataplane/signals.ts). */
const signals = Type.Object({
  handshake: histogram,
  firstByte: histogram,
  handshakesAmbiguous: count,
  firstBytesAmbiguous: count,
  synRepeated: count,
  synUnanswered: count,
  handshakesRefused: count,
  resets: count,
  unreachable: count,
  retransmissionsIn: count,
  retransmissionsOut: count,
});

/** What a server is allowed to do, and why (src/director/standing.ts). */
const standing = Type.Object({
  place: oneOf(['serving', 'backup', 'held', 'down', 'new', 'disabled', 'draining', 'quiesced', 'sorry']),
  health: orNull(oneOf(['up', 'down', 'new'])),
  healthSeconds: Type.Number({ minimum: 0 }),
  share: Type.Number({ minimum: 0 }),
  effectiveWeight: Type.Number({ minimum: 0 }),
  drainSeconds: orNull(Type.Number()),
});

export const serverReport = Type.Object({
  server: text,
  weight: count,
  standing,
  active: count,
  inactive: count,
  persistent: count,
  overloaded: flag,
  connections: count,
  inPackets: count,
  inBytes: count,
  outPackets: count,
  outBytes: count,
  signals: Type.Optional(signals),
});

export const serviceReport = Type.Object({
  service: text,
  listen: Type.Array(listen),
  scheduler: text,
  persistence: orNull(persistence),
  mark: orNull(count),
  onePacket: flag,
  connections: count,
  scheduleFailures: count,
  planFailures: orNull(Type.Object({ threw: count, invalid: count, timeout: count, ended: count })),
  quorum: oneOf(['met', 'lost']),
  servers: Type.Array(serverReport),
});
