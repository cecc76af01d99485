// SPDX-License-Identifier: Apache-2.0
/** Text that wants to be more than text: in bodies, names, paths, tags and events. What it wants does not happen. */
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { EventStreams } from '../../../src/admin/event-streams.js';
import { jsonPieces } from '../../../src/admin/json-pieces.js';
import { maxChangeBytes } from '../../../src/admin/routes/change.js';
import { maxValues, scanJson } from '../../../src/admin/scan-json.js';
import { EventParser, type ServerSentEvent } from '../../../src/admin/sse.js';
import { Events } from '../../../src/director/events.js';
import { atOnce } from '../../../src/pace.js';
import { serve, type Heard, type Served } from './served.js';

let served: Served;
beforeEach(async () => {
  served = await serve();
});
afterEach(() => served.stop());

const server = '10.2.1.2:8080';
const repeatedName = (json: string): string | undefined => atOnce(scanJson(json));
const messageOf = ({ body }: Heard): string => (body as { error: { message: string } }).error.message;
const revisionOf = async (): Promise<string> =>
  String((await served.ask('GET', '/v1/changes')).headers['etag']);
const send = (path: string, text: string): Promise<Heard> =>
  served.ask('POST', path, { headers: { 'content-type': 'application/json' }, body: text });

describe('a body', () => {
  it.each([
    ['with a prototype', `{"service":"web","server":"${server}","weight":1,"__proto__":{"polluted":1}}`],
    ['that is a prototype', `{"__proto__":{"service":"web","server":"${server}","weight":1}}`],
    [
      'with a constructor',
      `{"service":"web","server":"${server}","weight":1,"constructor":{"prototype":{}}}`,
    ],
    ['with a name from Object.prototype', '{"service":"toString","server":"valueOf","weight":1}'],
    ['with an operation that is one', '{"operations":[{"op":"constructor"},{"op":"__proto__"}]}'],
  ])('%s changes nothing, here or in every object', async (_, text) => {
    const before = await revisionOf();
    for (const path of ['/v1/weight', '/v1/change', '/v1/zero']) {
      const heard = await send(path, text);
      expect([400, 409]).toContain(heard.status);
    }
    expect(await revisionOf()).toBe(before);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('that is nothing but brackets is refused, however many they are', async () => {
    for (const deep of [
      `${'['.repeat(4_000_000)}${']'.repeat(4_000_000)}`,
      `{"operations":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`,
      `${'{"a":'.repeat(1_000_000)}1${'}'.repeat(1_000_000)}`,
      '['.repeat(1_000_000),
    ])
      expect(messageOf(await send('/v1/change', deep))).toMatch(/^body: must be nested at most 16 deep; /);
  });

  it.each([
    ['empty objects', '{},'],
    ['numbers', '0,'],
    ['names', '"":{},'],
  ])('that is full of %s is refused before they are made', async (_, again) => {
    const text = `[${again.repeat(maxValues)}`.slice(0, maxChangeBytes);
    expect(messageOf(await send('/v1/change', text))).toMatch(/^body: must have at most 1500000 values; /);
  });

  it('that is full of the shortest operations there are is not', () => {
    const shortest = '{"op":"enable","service":"a","server":"1.1.1.1:1"},';
    const operations = shortest.repeat(maxChangeBytes / shortest.length).slice(0, -1);
    expect(repeatedName(`{"operations":[${operations}]}`)).toBeUndefined();
  });

  it('is gone through in steps, however long', () => {
    const steps = [...scanJson(JSON.stringify(Array.from({ length: 300_000 }, () => 0)))];
    expect(steps.length).toBeGreaterThan(5);
  });

  it('with a very long text in it is read as any other', async () => {
    const heard = await send('/v1/change', `{"operations":[{"op":"${'x'.repeat(15_000_000)}"}]}`);
    expect([heard.status, messageOf(heard)]).toEqual([
      400,
      expect.stringMatching(/^operations\[0\]\.op: must be one of/),
    ]);
  });

  it('in which a name stands twice is refused: somebody else may have seen the other one', async () => {
    const before = await revisionOf();
    const heard = await send(
      '/v1/weight',
      `{"service":"web","server":"${server}","weight":0,"w\\u0065ight":9}`,
    );
    expect([heard.status, messageOf(heard)]).toEqual([
      400,
      'body: must have each name once in an object, got "weight" twice; see docs/admin-api.md',
    ]);
    expect(await revisionOf()).toBe(before);
  });
});

describe('a name that stands twice', () => {
  it.each<[string, string | undefined]>([
    ['{"a":1,"a":1}', 'a'],
    ['[{"a":{"b":1,"c":[],"b":2}}]', 'b'],
    ['{"a":"a","b":["a","a"],"c":{"a":1}}', undefined],
    ['{"a":"{\\"a\\":1,","b":",\\"a\\""}', undefined],
    ['{"\\\\":1,"\\u005c":2}', '\\'],
    ['"a"', undefined],
  ])('in %s is %s', (json, expected) => {
    expect(repeatedName(json)).toBe(expected);
  });

  it('is in no text that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (json) => {
        expect(repeatedName(JSON.stringify(JSON.parse(json)))).toBeUndefined();
      }),
    );
  });

  it('is found wherever it is', () => {
    const names = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(names, fc.nat(4), fc.json({ maxDepth: 8 }), (all, index, value) => {
        const again = all[index % all.length] ?? '';
        const members = [...all, again].map((name) => `${JSON.stringify(name)}:${value}`).join(',');
        const inside = repeatedName(value); // fast-check's own JSON has none
        expect(repeatedName(`[{${members}}]`)).toBe(inside ?? again);
      }),
    );
  });
});

describe('a path', () => {
  it.each([
    '/v1/../v1/status',
    '/v1/./status',
    '//v1/status',
    '/v1//status',
    '/v1/%73tatus',
    '/v1%2fstatus',
    '/V1/status',
    '/v1/status/',
    '/v1/status;a=b',
    '/v1/services/..%2f..%2fstatus',
    '/v1/services/%2e%2e',
    '/v1/services/__proto__',
    '/v1/services/constructor',
    '/v1/services/%252e',
    '/.well-known/x',
    '/etc/passwd',
  ])('%s leads nowhere else', async (path) => {
    expect((await served.ask('GET', path)).status).toBe(404);
  });

  it.each([
    '/v1/services/%00',
    '/v1/services/a%0d%0aset-cookie:x',
    '/v1/services/%c0%ae',
    '/v1/services/%1b[2J',
  ])('%s is no name', async (path) => {
    expect((await served.ask('GET', path)).status).toBe(400);
  });

  it('comes back in a complaint without what turns letters around', async () => {
    const heard = await served.ask('GET', `/v1/services/${encodeURIComponent('a\u202ebew\u2066')}`);
    expect(heard.status).toBe(404);
    expect(messageOf(heard)).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
  });
});

describe('a list of tags', () => {
  const change = (tags: string): Promise<Heard> =>
    served.post('/v1/weight', { service: 'web', server, weight: 7 }, { 'if-match': tags });
  const many = Array.from({ length: 900 }, (_, index) => `"${index}"`).join(',');

  it('as long as headers may be is read, and the one that fits counts', async () => {
    const heard = await change(`${many},${await revisionOf()}`);
    expect(heard.status).toBe(200);
  });

  it('in which none fits is refused in a few words', async () => {
    const heard = await change(many);
    expect(heard.status).toBe(412);
    expect(heard.text.length).toBeLessThan(600);
  });

  it.each(['"'.repeat(7_000), ','.repeat(7_000), `"${'a'.repeat(7_000)}`, 'W/'.repeat(3_500)])(
    'that is none is refused at once',
    async (tags) => {
      expect((await change(tags)).status).toBe(400);
    },
  );
});

const movesCursor = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

describe('an answer', () => {
  it('moves no cursor, whatever it has to tell, and means the same', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u009b31m', '\u007f', 'a\u202eb', '\u2066', '\u2028'),
    );
    fc.assert(
      fc.property(texts, fc.dictionary(texts, texts), (text, named) => {
        const said = [...jsonPieces({ text, named, rows: new Set([text, named]) })].join('');
        expect(said).not.toMatch(movesCursor);
        expect(JSON.parse(said)).toEqual(JSON.parse(JSON.stringify({ text, named, rows: [text, named] })));
      }),
    );
  });
});

describe('an event', () => {
  /** What a reader makes of the stream of one event with this text. */
  async function heardOf(text: string): Promise<readonly ServerSentEvent[]> {
    const events = new Events(() => 5);
    events.record({ kind: 'health', service: text, server: text, text, detail: { text } });
    const streams = new EventStreams();
    const http = createServer((_, response) => {
      streams.open(response, events, { instance: 'x', wanted: () => true, after: 0 });
      streams.close();
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const parser = new EventParser();
    const answer = await fetch(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
    const heard = parser.push(await answer.text());
    http.close();
    return heard;
  }

  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '\n\nevent: reload\ndata: {}\n\n',
      '\r\rid: x-99\r\r',
      '\u2028data: 1\u2029',
      '\ud800',
      '\0',
    ),
  );

  it('is one event, whatever its text', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, async (text) => {
        const heard = await heardOf(text);
        expect(heard.map(({ id, event }) => [id, event])).toEqual([['x-1', 'health']]);
        expect(heard[0]?.data).not.toMatch(movesCursor);
        expect((JSON.parse(heard[0]?.data ?? '') as { text: string }).text).toBe(text);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a request for two hosts', () => {
  it('is refused: whoever is between may have taken the other', async () => {
    const socket = connect(served.machine.socket);
    let heard = '';
    socket.on('data', (piece: Buffer) => (heard += piece.toString()));
    socket.write('GET /v1/status HTTP/1.1\r\nHost: vsnat\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    expect(heard).toMatch(/^HTTP\/1\.1 400 /);
    expect(heard).toContain('host: must be given once');
  });
});
