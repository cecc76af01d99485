// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { defaultRows, maxRows, maxScanned, readFlowQuery, walkFlows } from '../../../src/admin/flow-query.js';
import { pageOf, row } from './rows.js';

const read = (text: string) => readFlowQuery(new URLSearchParams(text));

describe('a flow query', () => {
  it('starts at the beginning with a page of its own size', () => {
    expect(read('')).toMatchObject({ cursor: 0, limit: defaultRows });
  });

  it.each([
    ['client=192.0.2.7', true],
    ['client=192.0.2.7:5', true],
    ['client=192.0.2.7:6', false],
    ['client=192.0.2', false],
    ['vip=10.9.0.1:80&server=10.2.1.2', true],
    ['vip=10.9.0.1:80&server=10.2.1.3', false],
    ['service=web&protocol=tcp&state=ESTABLISHED', true],
    ['service=dns', false],
    ['state=established', false],
  ])('%s matches: %s', (text, matches) => {
    expect(read(text).matches(row(5))).toBe(matches);
  });

  it('finds IPv6 endpoints in brackets', () => {
    const v6 = row(5, { clientAddress: '2001:db8::7' });
    expect(read('client=2001:db8::7').matches(v6)).toBe(true);
    expect(read('client=[2001:db8::7]:5').matches(v6)).toBe(true);
  });

  it.each([
    ['limit=0', `limit: must be a whole number of 1..${maxRows}, got "0"`],
    [`limit=${maxRows + 1}`, `limit: must be a whole number of 1..${maxRows}, got "${maxRows + 1}"`],
    ['limit=1e3', 'limit: must be a whole number'],
    ['cursor=-1', 'cursor: must be a whole number'],
    ['cursor=99999999999999999999', 'cursor: must be a whole number'],
    ['clinet=1', 'clinet: must be one of cursor, limit, service'],
    ['__proto__=1', '__proto__: must be one of'],
    ['constructor=1', 'constructor: must be one of'],
    ['state=A&state=B', 'state: must be given once'],
  ])('%s is refused', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});

describe('a walk', () => {
  it('finds every matching row exactly once, whatever the pages', () => {
    const table = fc.array(fc.boolean(), { maxLength: 300 });
    fc.assert(
      fc.property(
        table,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 50 }),
        (flags, limit, page) => {
          const rows = flags.map((isTcp, number) => row(number, { protocol: isTcp ? 'tcp' : 'udp' }));
          const found: number[] = [];
          let cursor: number | null = 0;
          while (cursor !== null) {
            const answer = walkFlows(
              read(`cursor=${cursor}&limit=${limit}&protocol=tcp`),
              pageOf(rows, page),
            );
            expect(answer.rows.length).toBeLessThanOrEqual(limit);
            found.push(...answer.rows.map(({ clientPort }) => clientPort));
            cursor = answer.next;
          }
          expect(found).toEqual(flags.flatMap((isTcp, number) => (isTcp ? [number] : [])));
        },
      ),
    );
  });

  it('looks at a bounded number of rows, and says where to go on', () => {
    const rows = Array.from({ length: maxScanned * 2 }, (_, number) => row(number));
    const answer = walkFlows(read('service=none&limit=100'), pageOf(rows));
    expect(answer.rows).toEqual([]);
    expect(answer.next).toBeGreaterThanOrEqual(maxScanned);
    expect(answer.next).toBeLessThan(maxScanned + 100);
  });

  it('ends on a table of empty pages', () => {
    let asked = 0;
    const answer = walkFlows(read(''), (cursor) => {
      asked += 1;
      return { rows: [], next: cursor + 1 };
    });
    expect(asked).toBe(maxScanned);
    expect(answer).toEqual({ rows: [], next: maxScanned });
  });
});
