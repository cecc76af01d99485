// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { FlowFilters } from '../../../src/admin/flow-filters.js';
import { matcher, maxScanned, walkFlows } from '../../../src/admin/flow-query.js';
import { pageOf, row } from './rows.js';

describe('flow filters', () => {
  it.each([
    [{ client: '192.0.2.7' }, true],
    [{ client: '192.0.2.7:5' }, true],
    [{ client: '192.0.2.7:6' }, false],
    [{ vip: '10.9.0.1:80', server: '10.2.1.2' }, true],
    [{ vip: '10.9.0.1:80', server: '10.2.1.3' }, false],
    [{ service: 'web', protocol: 'tcp', state: 'ESTABLISHED' }, true],
    [{ service: 'dns' }, false],
    [{ state: 'established' }, false],
    [{}, true],
  ] satisfies [FlowFilters, boolean][])('%j match: %s', (filters, matches) => {
    expect(matcher(filters)(row(5))).toBe(matches);
  });

  it('find IPv6 endpoints in brackets', () => {
    const v6 = row(5, { clientAddress: '2001:db8::7' });
    expect(matcher({ client: '2001:db8::7' })(v6)).toBe(true);
    expect(matcher({ client: '[2001:db8::7]:5' })(v6)).toBe(true);
    expect(matcher({ client: '[2001:db8::7]:6' })(v6)).toBe(false);
  });

  it('find an address however it is written', () => {
    const v6 = row(5, { clientAddress: '2001:db8::7' });
    expect(matcher({ client: '2001:DB8:0:0::7' })(v6)).toBe(true);
    expect(matcher({ client: '[2001:DB8:0:0::7]:5' })(v6)).toBe(true);
  });

  it.each(['client', 'vip', 'server'] as const)('refuse a %s that is no address', (name) => {
    expect(() => matcher({ [name]: '192.0.2' })).toThrow(
      `${name}: must be an address, or address:port ([v6]:port), got "192.0.2"; see docs/admin-api.md`,
    );
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
            const answer = walkFlows({ cursor, limit, filters: { protocol: 'tcp' } }, pageOf(rows, page));
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
    const answer = walkFlows({ cursor: 0, limit: 100, filters: { service: 'none' } }, pageOf(rows));
    expect(answer.rows).toEqual([]);
    expect(answer.next).toBeGreaterThanOrEqual(maxScanned);
    expect(answer.next).toBeLessThan(maxScanned + 100);
  });

  it('ends on a table of empty pages', () => {
    let asked = 0;
    const answer = walkFlows({ cursor: 0, limit: 200, filters: {} }, (cursor) => {
      asked += 1;
      return { rows: [], next: cursor + 1 };
    });
    expect(asked).toBe(maxScanned);
    expect(answer).toEqual({ rows: [], next: maxScanned });
  });
});
