// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatNetmask, longestPrefix, parseNetmask } from '../../../src/model/persistence.js';

test.each([
  [24, 'ipv4', 24],
  ['24', 'ipv4', 24],
  ['255.255.255.255', 'ipv4', 32],
  ['255.255.128.0', 'ipv4', 17],
  ['128.0.0.0', 'ipv4', 1],
  [128, 'ipv6', 128],
  ['64', 'ipv6', 64],
] as const)('%s names a network of %s by %d bits', (text, family, length) => {
  expect(parseNetmask(text, family)).toEqual({ ok: true, value: { prefixLength: length } });
});

test.each([
  ['255.0.255.0', 8],
  ['0.0.0.255', 0],
  ['0.0.0.0', 0],
  ['255.255.255.253', 30],
] as const)('%s is a mask that begins with %d ones and is no prefix', (mask, prefixLength) => {
  expect(parseNetmask(mask, 'ipv4')).toEqual({ ok: true, value: { prefixLength, mask } });
});

test.each([
  [0, 'ipv4', 'be a prefix length of 1..32'],
  [33, 'ipv4', 'be a prefix length of 1..32'],
  [129, 'ipv6', 'be a prefix length of 1..128'],
  ['255.255.255', 'ipv4', 'be a prefix length like 24 or a mask like 255.255.255.0'],
  ['/24', 'ipv4', 'be a prefix length like 24 or a mask like 255.255.255.0'],
  [1.5, 'ipv4', 'be a prefix length like 24 or a mask like 255.255.255.0'],
  ['255.255.255.0', 'ipv6', 'be a prefix length like 64'],
  ['ffff::', 'ipv6', 'be a prefix length like 64'],
] as const)('%s names no network of %s', (text, family, must) => {
  expect(parseNetmask(text, family)).toEqual({ ok: false, must });
});

test('every network that is written can be read', () => {
  const lengths = fc
    .constantFrom('ipv4' as const, 'ipv6' as const)
    .chain((family) => fc.tuple(fc.constant(family), fc.integer({ min: 1, max: longestPrefix(family) })));
  fc.assert(
    fc.property(lengths, ([family, prefixLength]) => {
      const network = { prefixLength };
      expect(parseNetmask(formatNetmask(network, family), family)).toEqual({ ok: true, value: network });
    }),
  );
});

test('every IPv4 address is a mask, and is written as it was', () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      const parsed = parseNetmask(text, 'ipv4');
      expect(parsed.ok && formatNetmask(parsed.value, 'ipv4')).toBe(text);
    }),
  );
});
