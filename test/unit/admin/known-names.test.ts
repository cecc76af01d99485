// SPDX-License-Identifier: Apache-2.0
/** Filters that name what is not there: what is refused, with which sentence, and what is not. */
import { describe, expect, it } from 'vitest';

import type { FlowsAnswer } from '../../../src/admin/api.js';
import { refuseUnknown, refuseUnknownOfFlows, type Named } from '../../../src/admin/known-names.js';
import type { FlowFilters } from '../../../src/admin/flow-filters.js';
import { listing } from './listings.js';
import { row } from './rows.js';

const here = listing({
  web: ['10.2.1.2:8080', '[2001:db8::2]:8080'],
  any: ['10.2.1.2:8080', '10.2.1.4:0'],
});
const nothing: FlowsAnswer = { rows: [], next: null };

const complaint = (filters: FlowFilters, answer = nothing, cursor = 0, services = here): string | null => {
  try {
    refuseUnknownOfFlows({ filters, cursor, limit: 10 }, answer, () => services);
    return null;
  } catch (error) {
    return (error as Error).message.replace('; see docs/admin-api.md', '');
  }
};

describe('a filter of connections', () => {
  it.each<[FlowFilters]>([
    [{}],
    [{ client: '192.0.2.7' }],
    [{ service: 'web' }],
    [{ server: '10.2.1.2' }],
    [{ server: '10.2.1.2:8080', service: 'any' }],
    [{ server: '10.2.1.4:5353' }],
    [{ server: '[2001:DB8::2]:8080' }],
  ])('%j that finds nothing is not refused', (filters) => expect(complaint(filters)).toBeNull());

  it.each<[FlowFilters, string]>([
    [{ service: 'wbe' }, 'service: must be one of web, any, got "wbe"'],
    [{ service: 'Web', server: '10.2.1.2' }, 'service: must be one of web, any, got "Web"'],
    [{ server: '10.2.1.3' }, 'server: must be one of 10.2.1.2:8080, [2001:db8::2]:8080, 10.2.1.4:0, got "10.2.1.3"'],
    [{ server: '10.2.1.2:80' }, 'server: must be one of 10.2.1.2:8080, [2001:db8::2]:8080, 10.2.1.4:0, got "10.2.1.2:80"'],
    [{ server: '10.2.1.4', service: 'web' }, 'server: must be one of 10.2.1.2:8080, [2001:db8::2]:8080, got "10.2.1.4"'],
    [{ server: 'b' }, 'server: must be an address, or address:port ([v6]:port), got "b"'],
  ])('%j is, with what there is', (filters, sentence) => expect(complaint(filters)).toBe(sentence)); // prettier-ignore

  it('names ten of many', () => {
    const many = listing(Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`s${index}`, []])));
    expect(complaint({ service: 'x' }, nothing, 0, many)).toBe(
      'service: must be one of s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 2 more, got "x"',
    );
    const none = listing({});
    expect(complaint({ service: 'x' }, nothing, 0, none)).toBe(
      'service: must be one that is there (there are none), got "x"',
    );
  });

  it('of a server that left is not refused while connections to it may come', () => {
    const gone = { server: '10.2.1.9' };
    expect(complaint(gone, { rows: [row(1, { realAddress: '10.2.1.9' })], next: null })).toBeNull();
    expect(complaint(gone, { rows: [], next: 8192 })).toBeNull();
    expect(complaint(gone, nothing, 8192)).toBeNull();
    expect(complaint(gone)).not.toBeNull();
  });
});

describe('a filter of servers', () => {
  const refusal = (named: Named): string | null => {
    try {
      refuseUnknown(named, () => here);
      return null;
    } catch (error) {
      return (error as Error).message.replace('; see docs/admin-api.md', '');
    }
  };

  it.each<[Named]>([
    [{}],
    [{ service: 'web' }],
    [{ server: '10.2.1.4:0' }],
    [{ service: 'any', server: '10.2.1.2:8080' }],
  ])('%j is not refused', (named) => expect(refusal(named)).toBeNull());

  it.each<[Named, string]>([
    [{ service: 'wbe' }, 'service: must be one of web, any, got "wbe"'],
    [{ server: '10.2.1.2' }, 'server: must be one of 10.2.1.2:8080, [2001:db8::2]:8080, 10.2.1.4:0, got "10.2.1.2"'],
    [{ service: 'web', server: '10.2.1.4:0' }, 'server: must be one of 10.2.1.2:8080, [2001:db8::2]:8080, got "10.2.1.4:0"'],
  ])('%j is, with what there is', (named, sentence) => expect(refusal(named)).toBe(sentence)); // prettier-ignore
});
