// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressBytes,
  compareAddresses,
  familyOf,
  formatAddress,
  parseAddress,
  scopeOf,
  type IpAddress,
} from '../../../src/model/address.js';
import { formatPrefix, parsePrefix, prefixContains, type Prefix } from '../../../src/model/prefix.js';

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(`not an address: ${text}`);
  return parsed.value;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(`not a prefix: ${text}`);
  return parsed.value;
}

const bytes4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
/** Zeros in runs, where the shortening of IPv6 goes wrong if it does. */
const sparse16 = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffff })), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));

describe('canonical text', () => {
  test.each([
    ['10.2.1.2', '10.2.1.2'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'], // the first of two equal runs
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // one group is no run
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['fe80::', 'fe80::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::ffff:c000:0221', '::ffff:192.0.2.33'],
  ])('%s is %s', (text, canonical) => {
    expect(address(text)).toBe(canonical);
  });

  test('bytes survive the way through text', () => {
    fc.assert(
      fc.property(fc.oneof(bytes4, bytes16, sparse16), (bytes) => {
        expect(addressBytes(formatAddress(bytes))).toEqual(bytes);
      }),
    );
  });

  test('every spelling of an IPv6 address has the same canonical text', () => {
    fc.assert(
      fc.property(fc.oneof(bytes16, sparse16), (bytes) => {
        const groups = Array.from(
          { length: 8 },
          (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0),
        );
        const long = groups.map((group) => group.toString(16).padStart(4, '0').toUpperCase()).join(':');
        expect(address(long)).toBe(formatAddress(bytes));
        expect(address(formatAddress(bytes))).toBe(formatAddress(bytes));
      }),
    );
  });

  test('what Node calls an address is one, and nothing else is', () => {
    const characters = fc.constantFrom('0', '1', '25', '255', 'f', 'ffff', ':', '::', '.', '10', 'g', '/');
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 16, size: 'max' }), (parts) => {
        const text = parts.join('');
        expect([text, parseAddress(text).ok]).toEqual([text, isIP(text) !== 0]);
      }),
      { numRuns: 3000 },
    );
  });
});

test.each([
  '',
  '1',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.04',
  '1.2.3.-4',
  '1.2.3.4 ',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '12345::',
  '::g',
  '1.2.3.4::',
  '::1.2.3',
  '::1.2.3.4:5',
  'fe80::1%eth0',
  '[::1]',
  '10.0.0.1/8',
])('%j is no address', (text) => {
  expect(parseAddress(text).ok).toBe(false);
});

test.each([
  ['10.1.2.3', 'unicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.254', 'reserved'],
  ['0.1.2.3', 'unspecified'],
  ['127.9.9.9', 'loopback'],
  ['169.254.1.1', 'link-local'],
  ['169.253.1.1', 'unicast'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['255.255.255.255', 'broadcast'],
  ['2001:db8::1', 'unicast'],
  ['fd00::1', 'unicast'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::2', 'unicast'],
  ['fe80::1', 'link-local'],
  ['febf::1', 'link-local'],
  ['fec0::1', 'unicast'],
  ['ff02::1', 'multicast'],
  ['::ffff:10.0.0.1', 'IPv4-mapped'],
])('%s is %s', (text, scope) => {
  expect(scopeOf(address(text))).toBe(scope);
});

test('addresses sort IPv4 first, then by value', () => {
  const texts = ['2001:db8::1', '10.0.0.10', '::1', '10.0.0.9', '9.255.0.0'];
  const sorted = texts.map(address).sort(compareAddresses);
  expect(sorted).toEqual(['9.255.0.0', '10.0.0.9', '10.0.0.10', '::1', '2001:db8::1']);
  expect(sorted.map(familyOf)).toEqual(['ipv4', 'ipv4', 'ipv4', 'ipv6', 'ipv6']);
});

describe('prefixes', () => {
  test.each([
    ['10.2.1.77/24', '10.2.1.0/24'],
    ['10.2.1.77', '10.2.1.77/32'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['2001:db8:ffff::1/33', '2001:db8:8000::/33'],
    ['::1', '::1/128'],
  ])('%s is %s', (text, canonical) => {
    expect(formatPrefix(prefix(text))).toBe(canonical);
  });

  test.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '/8', '10.0.0.0/-1', '10.0.0.0/1e1'])(
    '%s is no prefix',
    (text) => {
      expect(parsePrefix(text).ok).toBe(false);
    },
  );

  test('contains exactly the addresses with the same leading bits', () => {
    const bits = (bytes: Uint8Array): string =>
      Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
    fc.assert(
      fc.property(bytes4, bytes4, fc.nat(32), fc.nat(32), (network, other, length, shared) => {
        // An address that agrees in `shared` bits is likelier to be a close call than a random one.
        const near = bits(network).slice(0, shared) + bits(other).slice(shared);
        const candidate = Uint8Array.from([0, 8, 16, 24], (start) =>
          parseInt(near.slice(start, start + 8), 2),
        );
        const wanted = bits(network).slice(0, length) === near.slice(0, length);
        const tested = prefix(`${formatAddress(network)}/${length}`);
        expect(prefixContains(tested, formatAddress(candidate))).toBe(wanted);
      }),
    );
  });

  test('an IPv6 prefix contains no IPv4 address', () => {
    expect(prefixContains(prefix('::/0'), address('10.0.0.1'))).toBe(false);
    expect(prefixContains(prefix('2001:db8::/32'), address('2001:db8:ffff::1'))).toBe(true);
  });
});
