// SPDX-License-Identifier: Apache-2.0
/** Suggestions and units. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { didYouMean, editDistance } from '../../../src/config/suggest.js';
import { parseDuration, parseSize } from '../../../src/config/units.js';

describe('did you mean', () => {
  const keys = ['address', 'weight', 'max_connections', 'routed'];

  test.each([
    ['wieght', 'weight'],
    ['Weight', 'weight'],
    ['adress', 'address'],
    ['max_conections', 'max_connections'],
    ['routd', 'routed'],
  ])('%s: %s', (word, wanted) => {
    expect(didYouMean(word, keys)).toBe(`did you mean "${wanted}"?`);
  });

  test.each(['port', 'w', '', 'x'.repeat(1_000_000)])('no guess for %#', (word) => {
    expect(didYouMean(word, keys)).toBeUndefined();
  });

  /** The definition, letter by letter. */
  const slowDistance = (a: string, b: string): number => {
    if (a === '' || b === '') return a.length + b.length;
    const step = a.endsWith(b.slice(-1)) ? 0 : 1;
    const options = [
      slowDistance(a.slice(0, -1), b) + 1,
      slowDistance(a, b.slice(0, -1)) + 1,
      slowDistance(a.slice(0, -1), b.slice(0, -1)) + step,
    ];
    const swapped = a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1);
    if (swapped) options.push(slowDistance(a.slice(0, -2), b.slice(0, -2)) + 1);
    return Math.min(...options);
  };

  test('the distance is that of its definition', () => {
    const word = fc
      .array(fc.constantFrom('a', 'b', 'c'), { maxLength: 5 })
      .map((letters) => letters.join(''));
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(slowDistance(a, b));
      }),
    );
  });

  test('the length alone rules out no word that is near enough', () => {
    const word = fc.string({ minLength: 1, maxLength: 9, unit: fc.constantFrom('a', 'b') });
    fc.assert(
      fc.property(word, fc.array(word, { maxLength: 6 }), (typed, known) => {
        const tolerance = Math.max(1, Math.floor(typed.length / 3));
        const isNear = known.some((one) => editDistance(typed, one) <= tolerance);
        expect(didYouMean(typed, known) !== undefined).toBe(isNear);
      }),
    );
  });
});

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['300s', 300_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['7', 7000],
    [7, 7000],
    [0.25, 250],
    ['0', 0],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: milliseconds });
  });

  test.each(['', 's', '-1s', '5 m', '1w', '5M', '1e3', '.5s', '5m30s', NaN, Infinity])(
    '%j is none',
    (text) => {
      expect(parseDuration(text).ok).toBe(false);
    },
  );
});

describe('sizes', () => {
  test.each([
    ['262144', 262144],
    [262144, 262144],
    ['256k', 262144],
    ['256Ki', 262144],
    ['1M', 1048576],
    ['0.5m', 524288],
    ['1G', 1073741824],
  ])('%s is %d', (text, size) => {
    expect(parseSize(text)).toEqual({ ok: true, value: size });
  });

  test.each(['', 'k', '1kb', '-1', '1.5', '1e9999', '1 M', Infinity, 0.5])('%j is none', (text) => {
    expect(parseSize(text).ok).toBe(false);
  });
});
