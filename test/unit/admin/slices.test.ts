// SPDX-License-Identifier: Apache-2.0
/** Long answers: written piece by piece, they say what they would say whole, and hold nobody up. */
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { jsonPieces } from '../../../src/admin/json-pieces.js';
import { ServerPage } from '../../../src/admin/server-page.js';
import { writeSlices } from '../../../src/admin/write-slices.js';
import { Listing } from '../../../src/director/listing.js';
import { sliceMs } from '../../../src/pace.js';
import type { ServerReport, ServiceListing } from '../../../src/director/report.js';

const pieces = (value: unknown): string => [...jsonPieces(value)].join('');

/** The same value with iterators where it has arrays. */
function listed(value: unknown): unknown {
  if (Array.isArray(value)) return new Set(value.map((item) => ({ item: listed(item) }))).values();
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, listed(one)]));
}

function wrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => ({ item: wrapped(item) }));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, wrapped(one)]));
}

describe('JSON in pieces', () => {
  it('is what JSON.stringify writes of the same in arrays', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(pieces(listed(value))).toBe(JSON.stringify(wrapped(value)));
      }),
    );
  });

  it('leaves out what is undefined, and reads a getter after what stands before it', () => {
    let read = 0;
    const rows = function* (): Generator<number> {
      for (; read < 3; read += 1) yield read;
    };
    const answer = {
      gone: undefined,
      rows: rows(),
      get next() {
        return read;
      },
    };
    expect(pieces(answer)).toBe('{"rows":[0,1,2],"next":3}');
  });
});

const services = (sizes: readonly number[]): Listing<ServiceListing> =>
  new Listing(
    sizes.length,
    (place) => `s${place}`,
    (place) =>
      ({
        service: `s${place}`,
        servers: new Listing(
          sizes[place] ?? 0,
          (index) => `r${index}`,
          (index) => ({ server: `r${index}` }),
        ),
      }) as ServiceListing,
  );

describe('pages of servers', () => {
  it('together are all that fit, each once, whatever the sizes', () => {
    const size = fc.array(fc.nat(4), { maxLength: 5 });
    const only = fc.option(fc.constantFrom('s0', 's1', 's9'), { nil: undefined });
    const server = fc.option(fc.constantFrom('r0', 'r2'), { nil: undefined });
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 5 }), only, server, (sizes, limit, service, id) => {
        const wanted = sizes
          .flatMap((n, s) => Array.from({ length: n }, (_, r) => ({ service: `s${s}`, server: `r${r}` })))
          .filter((row) => (service ?? row.service) === row.service && (id ?? row.server) === row.server);
        const told: object[] = [];
        let cursor: number | null = 0;
        while (cursor !== null) {
          const page: ServerPage = new ServerPage(services(sizes), { service, server: id, cursor, limit });
          const rows = [...page.rows((row: ServerReport) => row)];
          expect(rows.length).toBeLessThanOrEqual(limit);
          told.push(...rows);
          cursor = page.next;
        }
        expect(told).toEqual(wanted);
      }),
    );
  });
});

describe('an answer in slices', () => {
  const ends: (() => void)[] = [];
  afterEach(() => ends.splice(0).forEach((end) => end()));

  async function answered(pieces: Iterator<string, void, undefined>): Promise<IncomingMessage> {
    let now = 0; // a piece takes a millisecond
    const server = createServer((_, response) => {
      void writeSlices(response, 'text/plain', pieces, () => now++);
    });
    ends.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve) => get({ port, host: '127.0.0.1', agent: false }, resolve));
  }

  function* lines(count: number, onEach: () => void = () => undefined): Generator<string, void, undefined> {
    for (let index = 0; index < count; index += 1) {
      onEach();
      yield `${index}\n`;
    }
  }

  const textOf = async (response: IncomingMessage): Promise<string> => {
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return text;
  };

  it('is whole, and has its length where it is short', async () => {
    const short = await answered(lines(2));
    expect(short.headers['content-length']).toBe('4');
    expect(await textOf(short)).toBe('0\n1\n');
    const long = await answered(lines(1000));
    expect(long.headers['content-length']).toBeUndefined();
    expect(await textOf(long)).toBe([...lines(1000)].join(''));
  });

  it('gives everybody else a turn every few milliseconds', async () => {
    let inThisTurn = 0;
    let most = 0;
    let isOver = false;
    const turn = (): void => {
      inThisTurn = 0;
      if (!isOver) setImmediate(turn);
    };
    turn();
    const count = (): void => void (most = Math.max(most, (inThisTurn += 1)));
    await textOf(await answered(lines(1000, count)));
    isOver = true;
    expect(most).toBeLessThanOrEqual(2 * sliceMs);
  });

  it('stops making text when the reader has gone', async () => {
    let isReturned = false;
    const endless = function* (): Generator<string, void, undefined> {
      try {
        for (;;) yield 'x'.repeat(1000);
      } finally {
        isReturned = true;
      }
    };
    (await answered(endless())).destroy();
    await expect.poll(() => isReturned).toBe(true);
  });
});
