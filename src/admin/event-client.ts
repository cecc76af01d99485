// SPDX-License-Identifier: Apache-2.0
/** Listening to a daemon's events. One connection; whoever wants to go on comes back with the last id. */
import { ask, unreachable } from './client.js';
import { peerOf, type Peer } from './peer.js';
import { EventParser, type ServerSentEvent } from './sse.js';

export interface Listening {
  /** `after`, `kind`, `service`, `server`, as GET /v1/events takes them. */
  readonly query?: Readonly<Record<string, string>>;
  /** Of an event heard before: the stream goes on behind it. */
  readonly lastEventId?: string;
  readonly signal?: AbortSignal;
  /** A daemon that says nothing for so long is gone: it lets its heart be heard three times as often. */
  readonly silenceMs?: number;
}

export interface EventConnection extends AsyncIterable<ServerSentEvent> {
  readonly status: number;
  /** What to come back with. */
  readonly lastId: string;
}

/**
 * Resolves once the daemon has answered. Iterating ends when the daemon ends the stream, and throws VSNAT_UNREACHABLE when it is
 * cut off. With a status other than 200 the one event is the error answer, as `error`.
 */
export async function listen(where: string | Peer, listening: Listening = {}): Promise<EventConnection> {
  const { query = {}, lastEventId, signal, silenceMs = 45_000 } = listening;
  const peer = typeof where === 'string' ? peerOf(where) : where;
  const search = new URLSearchParams(query).toString();
  const { response } = await ask(peer, {
    method: 'GET',
    path: `/v1/events${search === '' ? '' : `?${search}`}`,
    headers: {
      accept: 'text/event-stream',
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
    timeoutMs: 0,
    headMs: 10_000,
    signal,
  });
  const type = response.headers['content-type'] ?? '';
  if (response.statusCode === 200 && !type.startsWith('text/event-stream')) {
    response.destroy();
    throw unreachable(peer, new Error('an answer that is no stream of events'));
  }
  response.socket.setTimeout(silenceMs, () =>
    response.destroy(new Error(`nothing heard for ${silenceMs} ms`)),
  );
  const parser = new EventParser();
  const status = response.statusCode ?? 0;
  const read = async function* (): AsyncGenerator<ServerSentEvent> {
    response.setEncoding('utf8');
    let refusal = '';
    try {
      for await (const piece of response as AsyncIterable<string>) {
        if (status === 200) yield* parser.push(piece);
        else refusal += piece;
      }
    } catch (cause) {
      if (signal?.aborted !== true) throw unreachable(peer, cause as Error);
    }
    if (status !== 200) yield { id: '', event: 'error', data: refusal };
  };
  return {
    status,
    get lastId() {
      return parser.lastId;
    },
    [Symbol.asyncIterator]: () => read(),
  };
}
