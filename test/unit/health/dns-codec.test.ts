// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { decodeAnswer, encodeQuery } from '../../../src/health/dns-codec.js';
import { answerWith, label, record } from './support/dns-messages.js';

const query = encodeQuery(0x1234, 'www.example.org', 'A');

describe('a query', () => {
  it('is what RFC 1035 says', () => {
    expect(query.toString('hex')).toBe(
      '1234' +
        '0100' +
        '0001' +
        '0000' +
        '0000' +
        '0000' +
        '03777777' +
        '076578616d706c65' +
        '036f7267' +
        '00' +
        '0001' +
        '0001',
    );
    expect(encodeQuery(1, '.', 'NS').toString('hex').slice(24)).toBe('00' + '0002' + '0001');
    expect(encodeQuery(1, 'a.', 'ANY').toString('hex').slice(24)).toBe('016100' + '00ff' + '0001');
  });

  it.each(['a..b', '.a', 'x'.repeat(64), Array(130).fill('a').join('.')])('for %s is refused', (name) =>
    expect(() => encodeQuery(1, name, 'A')).toThrow('is no domain name'),
  );
});

describe('an answer', () => {
  const decode = (message: Buffer) => decodeAnswer(message, query);
  const pointer = Buffer.from([0xc0, 12]);

  it.each([
    ['A', 1, Buffer.from([10, 2, 1, 3]), '10.2.1.3'],
    ['AAAA', 28, Buffer.from('20010db8000000000000000000000001', 'hex'), '2001:db8::1'],
    ['CNAME', 5, Buffer.concat([label('alias'), pointer]), 'alias.www.example.org'],
    ['MX', 15, Buffer.concat([Buffer.from([0, 10]), pointer]), '10 www.example.org'],
    ['SRV', 33, Buffer.concat([Buffer.from([0, 1, 0, 2, 0x1f, 0x90]), pointer]), '1 2 8080 www.example.org'],
    ['TXT', 16, Buffer.concat([label('v=spf1 '), label('-all')]), 'v=spf1 -all'],
    [
      'SOA',
      6,
      Buffer.concat([pointer, pointer, Buffer.alloc(16), Buffer.from([0xff, 0, 0, 1])]),
      'www.example.org www.example.org 0 0 0 0 4278190081',
    ],
    ['an unknown type', 999, Buffer.from([1, 2]), '0102'],
    ['a name with a dot in a label', 2, Buffer.concat([label('a.b'), Buffer.from([0])]), 'a\\046b'],
  ])('of %s is read', (_, type, data, text) => {
    expect(decode(answerWith(query, [record(type, data)]))).toMatchObject({
      id: 0x1234,
      code: 'NOERROR',
      asks: 'the same',
      isTruncated: false,
      records: [{ type, text }],
    });
  });

  it.each([
    ['SERVFAIL', 2],
    ['NXDOMAIN', 3],
    ['RCODE12', 12],
  ])('may be %s', (code, rcode) =>
    expect(decode(answerWith(query, [], { rcode }))).toMatchObject({ code, records: [] }),
  );

  it('may spell the name in other letters, ask another question, or none', () => {
    const same = Buffer.from(query.toString('latin1').replace('example', 'eXAMPLe'), 'latin1');
    expect(decode(answerWith(same, []))?.asks).toBe('the same');
    expect(decode(answerWith(encodeQuery(0x1234, 'www.example.com', 'A'), []))?.asks).toBe('something else');
    expect(decode(answerWith(encodeQuery(0x1234, 'www.example.org', 'MX'), []))?.asks).toBe('something else');
    const bare = Buffer.from('12348002' + '0000'.repeat(4), 'hex');
    expect(decode(bare)).toMatchObject({ asks: 'nothing', code: 'SERVFAIL' });
  });

  it('may be cut short when it says so', () => {
    const whole = answerWith(query, [record(1, Buffer.from([1, 2, 3, 4]))], { answers: 2, truncated: true });
    expect(decode(whole)).toMatchObject({ isTruncated: true, records: [{ text: '1.2.3.4' }] });
    const lies = answerWith(query, [record(1, Buffer.from([1, 2, 3, 4]))], { answers: 2 });
    expect(decode(lies)).toBeUndefined();
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a query', query],
    [
      'a pointer to itself',
      answerWith(query, [Buffer.from([0xc0, query.length, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])]),
    ],
    ['a pointer forwards', answerWith(query, [Buffer.from([0xc0, 0xff, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])])],
    ['a label of a reserved kind', answerWith(query, [Buffer.from([0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])])],
    ['data beyond the end', answerWith(query, [record(1, Buffer.from([1, 2, 3, 4])).subarray(0, -1)])],
    ['an address of three bytes', answerWith(query, [record(1, Buffer.from([1, 2, 3]))])],
    ['a string longer than its record', answerWith(query, [record(16, Buffer.from([5, 1]))])],
  ])('that is %s is none', (_, message) => expect(decode(message)).toBeUndefined());

  it('that is made to be dear is none: thousands of records at the end of one chain of pointers', () => {
    // As over TCP: 16 KiB of pointers, each to the one before, then 3,000 names that begin at the last.
    const chain = Buffer.alloc(0x3fff - query.length - 12 - 200);
    const from = query.length + 12;
    chain.writeUInt16BE(0xc000 | 12, 0);
    for (let at = 2; at + 1 < chain.length; at += 2) chain.writeUInt16BE(0xc000 | (from + at - 2), at);
    const last = from + (chain.length & ~1) - 2;
    const toLast = Buffer.from([0xc0 | (last >> 8), last & 0xff]);
    const names = Array.from({ length: 3000 }, () => record(5, toLast));
    expect(decode(answerWith(query, [record(999, chain), ...names]))).toBeUndefined();
    expect(decode(answerWith(query, [record(999, chain), record(5, toLast)]))?.records[1]).toMatchObject({
      text: 'www.example.org',
    });
  });

  it('may be as large as TCP lets it be', () => {
    const address = record(1, Buffer.from([10, 2, 1, 3]));
    const many = Array.from({ length: 4000 }, () => address);
    expect(decode(answerWith(query, many))?.records).toHaveLength(4000);
    const servers = Array.from({ length: 1000 }, () => record(2, Buffer.concat([label('ns'), pointer])));
    expect(decode(answerWith(query, servers))?.records[999]).toMatchObject({ text: 'ns.www.example.org' });
  });

  it('with damage anywhere is read or refused, in bounded time', () => {
    const whole = answerWith(query, [
      record(5, Buffer.concat([label('alias'), pointer])),
      record(16, label('text')),
      record(6, Buffer.concat([pointer, pointer, Buffer.alloc(20)])),
    ]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }),
        fc.nat(whole.length),
        (damage, length) => {
          const message = Buffer.from(whole);
          for (const [at, byte] of damage) message[at] = byte;
          const answer = decode(message.subarray(0, length));
          expect(answer === undefined || typeof answer.code === 'string').toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
