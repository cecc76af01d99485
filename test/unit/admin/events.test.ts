// SPDX-License-Identifier: Apache-2.0
import { createServer, type ServerResponse } from 'node:http';
import { once, setMaxListeners } from 'node:events';
import { connect, type AddressInfo } from 'node:net';

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { listen, type EventConnection } from '../../../src/admin/event-client.js';
import { EventStreams, numberOf, streamLimits } from '../../../src/admin/event-streams.js';
import { EventParser, type ServerSentEvent } from '../../../src/admin/sse.js';
import { Events, type DirectorEvent } from '../../../src/director/events.js';
import { serve, type Served } from './served.js';

async function take(from: AsyncIterable<ServerSentEvent>, count: number): Promise<ServerSentEvent[]> {
  const taken: ServerSentEvent[] = [];
  for await (const event of from) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

const dataOf = ({ data }: ServerSentEvent): DirectorEvent => JSON.parse(data) as DirectorEvent;

describe('the events of a daemon', () => {
  let served: Served;
  let abort: AbortController;
  beforeEach(async () => {
    abort = new AbortController();
    setMaxListeners(100, abort.signal);
    served = await serve();
  });
  afterEach(async () => {
    abort.abort();
    await served.stop();
  });

  const hear = (more: object = {}): Promise<EventConnection> =>
    listen(served.machine.socket, { signal: abort.signal, ...more });
  const end = async (service: string): Promise<unknown> =>
    served.ask('DELETE', `/v1/flows?service=${service}`);

  it('come as they happen, and again from where a reader stopped', async () => {
    const first = await hear();
    expect(first.status).toBe(200);
    await end('web');
    const [one] = await take(first, 1);
    expect(one?.event).toBe('flows');
    expect(dataOf(one as ServerSentEvent)).toMatchObject({ kind: 'flows', service: 'web' });
    await end('web');
    await end('web');
    const again = await take(await hear({ lastEventId: one?.id }), 2);
    expect(again.map((event) => dataOf(event).id)).toEqual([2, 3]);
  });

  it('begin with all that is kept for a reader of a former process, and for one who asks', async () => {
    await end('web');
    const other = await take(await hear({ lastEventId: 'zzz-900' }), 1);
    const asked = await take(await hear({ query: { after: '0' } }), 1);
    expect([...other, ...asked].map((event) => dataOf(event).id)).toEqual([1, 1]);
  });

  it('are picked by kind, service and server, and told as JSON to those who do not follow', async () => {
    await end('web');
    const page = async (query: string): Promise<unknown> =>
      (await served.ask('GET', `/v1/events?follow=0&${query}`)).body;
    expect(await page('kind=flows&service=web')).toMatchObject({ events: [{ id: 1 }], missed: 0, last: 1 });
    expect(await page('kind=health')).toMatchObject({ events: [], last: 1 });
    expect(await page('after=1')).toMatchObject({ events: [] });
    expect((await served.ask('GET', '/v1/events?kind=weather')).status).toBe(400);
  });

  it('are given up by a reader who hears nothing for too long, not even the heart', async () => {
    const silent = await hear({ silenceMs: 50 });
    await expect(take(silent, 1)).rejects.toMatchObject({
      code: 'VSNAT_UNREACHABLE',
      message: expect.stringContaining('nothing heard for 50 ms') as string,
    });
  });

  it('end in order when the daemon stops', async () => {
    const connection = await hear();
    const all = take(connection, 100);
    await served.daemon.stop();
    expect(await all).toEqual([]);
  });

  it('have a bounded number of readers; the next one is told so, and room is made by each that leaves', async () => {
    const leave = new AbortController();
    setMaxListeners(100, leave.signal);
    const readers = await Promise.all(
      Array.from({ length: streamLimits.streams }, () => hear({ signal: leave.signal })),
    );
    expect(readers.map(({ status }) => status)).toEqual(readers.map(() => 200));
    const refused = await hear();
    expect(refused.status).toBe(429);
    expect((await take(refused, 1))[0]?.data).toContain('streams: must be at most 16 at once');
    leave.abort();
    await expect.poll(async () => (await hear()).status).toBe(200);
  });
});

describe('a reader that never reads', () => {
  it('is cut off at the bound, while others hear everything and nobody waits', async () => {
    const streams = new EventStreams({ bufferedBytes: 64 * 1024 });
    const events = new Events(() => 0);
    const options = { instance: 'x', wanted: () => true, after: null };
    const server = createServer((_, response: ServerResponse) => streams.open(response, events, options));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const deaf = connect(port, '127.0.0.1').pause();
    deaf.on('error', () => undefined);
    deaf.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const reader = connect(port, '127.0.0.1');
    let heard = '';
    reader.on('data', (piece: Buffer) => (heard += piece.toString()));
    reader.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => streams.counters.open).toBe(2);
    const text = 'x'.repeat(4096);
    let number = 0;
    while (streams.counters.dropped === 0 && number < 10_000) {
      events.record({ kind: 'change', text });
      number += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(streams.counters.dropped).toBe(1);
    await expect.poll(() => streams.counters.open).toBe(1);
    await expect.poll(() => heard).toContain(`id: x-${number}\n`);
    reader.destroy();
    deaf.destroy();
    await expect.poll(() => streams.counters.open).toBe(0);
    server.close();
  });
});

describe('a silent stream', () => {
  it('beats, so that nobody takes it for dead', async () => {
    const streams = new EventStreams({ heartbeatMs: 10 });
    const events = new Events(() => 0);
    const options = { instance: 'x', wanted: () => true, after: null };
    const server = createServer((_, response: ServerResponse) => streams.open(response, events, options));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
    let heard = '';
    reader.on('data', (piece: Buffer) => (heard += piece.toString()));
    reader.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => heard.split(':\n\n').length).toBeGreaterThan(2);
    reader.destroy();
    server.close();
  });
});

describe('the number in a last event id', () => {
  it.each([
    ['abc-7', 7],
    ['xyz-7', 0],
    ['7', 0],
    ['abc-', 0],
    ['abc-7-7', 0],
    ['abc-99999999999999999999', 0],
    ['', 0],
  ])('%s is %i', (text, number) => {
    expect(numberOf(text, 'abc')).toBe(number);
  });
});

describe('the parser of events', () => {
  it('reads the same whatever pieces they come in, with any line ends', () => {
    const text =
      ': hello\nretry: 5\nid: a-1\nevent: health\ndata: {"x":1}\n\ndata: two\r\ndata: lines\r\n\r\n\n';
    const whole = new EventParser().push(text);
    expect(whole).toEqual([
      { id: 'a-1', event: 'health', data: '{"x":1}' },
      { id: 'a-1', event: 'message', data: 'two\nlines' },
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: text.length })), (cuts) => {
        const parser = new EventParser();
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const pieces = places.slice(1).map((end, index) => text.slice(places[index], end));
        expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(whole);
      }),
    );
  });

  it('gives up on a line that does not end', () => {
    const parser = new EventParser();
    expect(() => {
      for (let index = 0; index < 20; index++) parser.push('x'.repeat(100_000));
    }).toThrow('does not end');
  });
});
