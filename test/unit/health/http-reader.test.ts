// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { HttpReader, maxBody, type HttpReading } from '../../../src/health/http-reader.js';

/** Everything in one piece, then the end of the connection. */
function read(text: string, { wantsBody = true, isHead = false } = {}): HttpReading {
  return inPieces([Buffer.from(text, 'latin1')], wantsBody, isHead);
}

function inPieces(pieces: readonly Buffer[], wantsBody = true, isHead = false): HttpReading {
  const reader = new HttpReader(() => wantsBody, isHead);
  for (const piece of pieces) {
    const reading = reader.feed(piece);
    if (reading.state !== 'more') return reading;
  }
  return reader.end();
}

const done = (status: number, body: string | null) => ({
  state: 'done',
  status,
  body: body === null ? null : Buffer.from(body, 'latin1'),
});

const responses: readonly [name: string, text: string, status: number, body: string][] = [
  ['a body as long as it says', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay', 200, 'ok'],
  ['a body until the end', 'HTTP/1.0 200 OK\r\n\r\nall of this', 200, 'all of this'],
  [
    'a body in chunks',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nay!\r\n0\r\nTrailer: x\r\n\r\n',
    200,
    'okay!',
  ],
  ['bare line feeds', 'HTTP/1.1 200\nContent-Length: 1\n\nx', 200, 'x'],
  ['no reason', 'HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n', 503, ''],
  [
    'an interim response before',
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
    204,
    '',
  ],
  ['a length that 304 does not keep', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n', 304, ''],
  ['headers of odd case and space', 'HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh:\t 3 \r\n\r\nabc', 200, 'abc'],
];

describe('a response', () => {
  it.each(responses)('with %s is read', (_, text, status, body) =>
    expect(read(text)).toEqual(done(status, body)),
  );

  it.each(responses)('with %s is read the same in any pieces', (_, text, status, body) => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 20 }), (cuts) => {
        const bytes = Buffer.from(text, 'latin1');
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        expect(inPieces(pieces)).toEqual(done(status, body));
      }),
    );
  });

  it('is done at its headers when nobody wants the body', () => {
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n', { wantsBody: false })).toEqual(
      done(200, null),
    );
  });

  it('to HEAD has no body', () => {
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', { isHead: true })).toEqual(done(200, ''));
  });

  it.each([
    ['nothing', '', 'closed without an answer'],
    [
      'interim responses without an end',
      'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(17),
      'more than 16 interim responses',
    ],
    ['half a head', 'HTTP/1.1 200 OK\r\n', 'closed within the headers'],
    ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab', 'closed within the body'],
    [
      'half a chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab',
      'closed within the body',
    ],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', 'not HTTP: "SSH-2.0-OpenSSH_9.2\r\n"'],
    ['HTTP/2', 'HTTP/2.0 200 OK\r\n\r\n', 'not HTTP: "HTTP/2.0 200 OK\r\n\r\n"'],
    ['a status of letters', 'HTTP/1.1 abc\r\n\r\n', 'no status line: "HTTP/1.1 abc"'],
    ['a status too large', 'HTTP/1.1 2000 OK\r\n\r\n', 'no status line: "HTTP/1.1 2000 OK"'],
    ['an upgrade', 'HTTP/1.1 101 Switching\r\n\r\n', 'status 101, which nobody asked for'],
    ['a length of letters', 'HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n', 'content-length "ten"'],
    [
      'gzip',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
      'transfer coding "gzip", which was not asked for',
    ],
    [
      'a chunk without a size',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      'a chunk without a size',
    ],
    [
      'a chunk that is longer',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n',
      'a chunk longer than its size',
    ],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(4000)}`, 'more than 16 KiB of headers'],
    [
      'an endless chunk size',
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'0'.repeat(2000)}`,
      'a chunk without a size',
    ],
  ])('with %s is broken', (_, text, why) => expect(read(text)).toEqual({ state: 'broken', why }));

  it.each([
    ['until the end', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['of a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n'],
    ['in one chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n'],
  ])('of a gigabyte %s is read to 64 KiB', (_, head) => {
    const reader = new HttpReader(() => true);
    expect(reader.feed(Buffer.from(head)).state).toBe('more');
    const piece = Buffer.alloc(10_000, 'x');
    let reading = reader.feed(piece);
    let fed = 1;
    for (; reading.state === 'more' && fed < 100; fed += 1) reading = reader.feed(piece);
    expect(fed).toBe(7);
    expect(reading.state === 'done' && reading.body?.length).toBe(maxBody);
  });

  it('of any bytes ends in one of three ways', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom(...responses.map(([, text]) => Buffer.from(text, 'latin1'))),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(pieces, (some) => {
        expect(['done', 'broken']).toContain(inPieces(some.map((piece) => Buffer.from(piece))).state);
      }),
    );
  });
});
