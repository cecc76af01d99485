// SPDX-License-Identifier: Apache-2.0
/**
 * Events as server-sent events (WHATWG HTML, section 9.2), to any number of readers up to a bound. A reader that does not
 * keep up is cut off rather than remembered: it comes back with the number of the last event it has seen and gets the rest.
 *
 * Events are written as they happen, from inside the director's own turn, so nothing here waits and nothing throws.
 */
import type { ServerResponse } from 'node:http';

import type { DirectorEvent, Events } from '../director/events.js';
import { inertJson } from './inert-json.js';
import { HttpRefusal } from './refusal.js';

export const streamLimits = {
  streams: 16,
  /** What may wait for one reader; a ring of a thousand events is about 300 KiB. */
  bufferedBytes: 1024 * 1024,
  /** A comment, so that whoever is between does not take the silence for the end. */
  heartbeatMs: 15_000,
} as const;

export type EventSource = Pick<Events, 'after' | 'subscribe' | 'last'>;

export interface StreamCounters {
  readonly open: number;
  /** Readers that did not keep up. */
  readonly dropped: number;
}

export interface StreamOptions {
  /** Numbers of another process mean nothing here: the ids of a stream begin with this. */
  readonly instance: string;
  readonly wanted: (event: DirectorEvent) => boolean;
  /** Events after this number come first; null: only those to come. */
  readonly after: number | null;
}

/** The number in "mhwsoi68-7" when that is of this process; 0, all there is, when it is of another. */
export function numberOf(lastEventId: string, instance: string): number {
  const [, from, number = '0'] = /^([a-z0-9]{1,16})-(\d{1,15})$/.exec(lastEventId) ?? [];
  return from === instance ? Number(number) : 0;
}

export class EventStreams {
  readonly #limits: typeof streamLimits;
  readonly #streams = new Set<ServerResponse>();
  #heartbeat: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(limits: Partial<Record<keyof typeof streamLimits, number>> = {}) {
    this.#limits = { ...streamLimits, ...limits } as typeof streamLimits;
  }

  get counters(): StreamCounters {
    return { open: this.#streams.size, dropped: this.#dropped };
  }

  /** Refuses with 429 when there are too many. To be called before anything is written. */
  assertRoom(): void {
    const { streams } = this.#limits;
    if (this.#streams.size < streams) return;
    throw new HttpRefusal(429, `streams: must be at most ${streams} at once; end another one first`, {
      'retry-after': '5',
    });
  }

  open(response: ServerResponse, events: EventSource, { instance, wanted, after }: StreamOptions): void {
    const { socket } = response;
    // Silence is what a stream is made of; whoever is gone is found by TCP, or by the buffer that fills.
    socket?.setTimeout(0);
    socket?.setKeepAlive(true, this.#limits.heartbeatMs);
    socket?.setNoDelay(true);
    const send = (event: DirectorEvent): void => {
      if (wanted(event)) this.#write(response, frame(event, instance));
    };
    const end = events.subscribe(send);
    response.once('close', () => {
      end();
      this.#forget(response);
    });
    this.#streams.add(response);
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#limits.heartbeatMs).unref();
    response.writeHead(200);
    // The number to come back with when nothing has happened yet.
    this.#write(response, `: events\nretry: 2000\nid: ${instance}-${after ?? events.last}\n\n`);
    if (after === null) return;
    const { events: past, missed } = events.after(after);
    if (missed > 0) this.#write(response, `event: missed\ndata: ${JSON.stringify({ missed })}\n\n`);
    past.forEach(send);
  }

  /** Ends every stream in order. */
  close(): void {
    for (const response of this.#streams) response.end();
  }

  #beat(): void {
    for (const response of this.#streams) this.#write(response, ':\n\n');
  }

  #write(response: ServerResponse, text: string): void {
    if (response.writableEnded || response.destroyed) return;
    response.write(text);
    if (response.writableLength <= this.#limits.bufferedBytes) return;
    this.#dropped += 1;
    response.destroy();
  }

  #forget(response: ServerResponse): void {
    this.#streams.delete(response);
    if (this.#streams.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}

/** JSON has no line ends of its own, so no event can pass for two. */
const frame = (event: DirectorEvent, instance: string): string =>
  `id: ${instance}-${event.id}\nevent: ${event.kind}\ndata: ${inertJson(JSON.stringify(event))}\n\n`;
