// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat events`: what is kept, then what comes. A stream that is cut off is taken up again behind the last event heard, so
 * that nothing is missed while the daemon is there; with --json each event is a line.
 */
import { listen } from '../admin/event-client.js';
import type { Peer } from '../admin/peer.js';
import type { DirectorEvent } from '../director/events.js';
import { askDaemon, accepted } from './ask.js';
import type { Io } from './io.js';
import { sleep, untilStopped } from './repeat.js';

export interface EventsWanted {
  readonly follow: boolean;
  /** `kind`, `service`, `server`, as the API takes them. */
  readonly filters: Readonly<Record<string, string>>;
  readonly json: boolean;
  readonly peer: Peer;
}

interface EventsAnswer {
  readonly events: readonly DirectorEvent[];
  readonly missed: number;
}

export async function showEvents(wanted: EventsWanted, io: Io): Promise<void> {
  const { follow, filters, json, peer } = wanted;
  if (follow) return followEvents(wanted, io);
  const query = new URLSearchParams({ ...filters, follow: '0' }).toString();
  const answer = await askDaemon<EventsAnswer>(peer, `/v1/events?${query}`);
  if (json) return io.json(answer);
  if (answer.missed > 0) io.complain(`vsnat: ${answer.missed} earlier events are no longer kept`);
  for (const event of answer.events) io.line(eventLine(event));
}

/** Between two connections: whoever ends each at once is not asked without a pause. */
const leastMs = 1_000;

async function followEvents({ filters, json, peer }: EventsWanted, io: Io): Promise<void> {
  const { signal, off } = untilStopped();
  try {
    let lastEventId: string | undefined;
    for (let from = performance.now(); !signal.aborted; from = performance.now()) {
      // The daemon ends a stream when it stops or when we read too slowly; the first one must succeed.
      const stream = await listen(peer, {
        query: { ...filters, ...(lastEventId === undefined && { after: '0' }) },
        ...(lastEventId !== undefined && { lastEventId }),
        signal,
      });
      for await (const { data } of stream) {
        if (stream.status !== 200) accepted({ status: stream.status, body: refusalIn(data) });
        const event = JSON.parse(data) as Partial<DirectorEvent>;
        if (event.text === undefined) continue; // "missed" and the like
        if (json) io.jsonLine(event);
        else io.line(eventLine(event as DirectorEvent));
      }
      if (stream.lastId !== '') lastEventId = stream.lastId;
      await sleep(Math.max(0, leastMs - (performance.now() - from)), signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    off();
  }
}

/** What is no JSON is not the daemon's own word. */
function refusalIn(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

/** 2026-11-27T03:00:00.000Z health   web 10.2.1.2:8080: … */
export function eventLine({ at, kind, service, server, text, detail }: DirectorEvent): string {
  const author = typeof detail['by'] === 'string' ? ` (by ${detail['by']})` : '';
  const where = [service, server].filter((one) => one !== null && !text.includes(one)).join(' ');
  return `${new Date(at).toISOString()} ${kind.padEnd(8)} ${where === '' ? '' : `${where}: `}${text.replaceAll('\n', ' ')}${author}`;
}
