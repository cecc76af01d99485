// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { isQuick, matches, requirePattern } from '../../../src/health/pattern.js';

describe('a pattern', () => {
  it.each([
    ['a literal', 'healthy', 'is healthy', 'matches'],
    ['an anchor', '^healthy', 'is healthy', 'differs'],
    ['look-ahead', '^(?=.*a)(?=.*b)', 'xxbxxa', 'matches'],
    ['UTF-8', '^größe$', 'größe', 'matches'],
    ['bytes that are no UTF-8', '^.x', '\ufffdx', 'matches'],
  ])('with %s sees what it should', (_, pattern, text, expected) =>
    expect(matches(pattern, Buffer.from(text))).toBe(expected),
  );

  it('that would take for ever is given up, and rests before it is tried again', () => {
    let now = 1000;
    const hopeless = '(a+)+(?=b)$';
    const text = Buffer.from('a'.repeat(5000));
    expect(matches(hopeless, text, () => now)).toBe('too slow');
    const from = performance.now();
    expect(matches(hopeless, Buffer.from('harmless'), () => now)).toBe('too slow');
    expect(performance.now() - from).toBeLessThan(40);
    now += 60_000;
    expect(matches(hopeless, Buffer.from('harmless'), () => now)).toBe('differs');
  });

  it('that is none is refused before anything is asked', () => {
    expect(() => requirePattern('(')).toThrow(SyntaxError);
    expect(() => requirePattern(null)).not.toThrow();
  });

  it.each([
    ['ok', 65_536, true],
    ['^(up|ready)$', 65_536, true],
    ['"status":\\s*"UP"', 4096, true],
    ['"status":\\s*"UP"', 65_536, false],
    ['(a|aa)+$', 40, false],
    ['a+b+', 40, false],
    ['a{1,9}{2}', 40, false],
  ])('%s on %i characters needs a watchdog or not', (source, length, quick) =>
    expect(isQuick(source, length)).toBe(quick),
  );
});
