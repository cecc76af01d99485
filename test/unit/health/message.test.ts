// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { failure, printable, quoted } from '../../../src/health/message.js';

describe('a message', () => {
  it.each([
    ['keeps plain text and other languages', 'Zustand: gut, 状態', 'Zustand: gut, 状態'],
    ['has no second line', 'ok\r\nlevel=error', 'ok\\x0d\\x0alevel=error'],
    ['moves no cursor', '\u001b[2J\u009b31m', '\\x1b[2J\\x9b31m'],
    ['does not turn text around', 'a\u202eb\u2066c', 'a\\u{202e}b\\u{2066}c'],
    ['hides nothing', 'a\u200bb\ufeff', 'a\\u{200b}b\\u{feff}'],
    ['has no halves of characters', 'a\ud800', 'a\\u{d800}'],
    ['has no line separators', 'a\u2028b\u2029', 'a\\u{2028}b\\u{2029}'],
  ])('%s', (_, text, expected) => expect(printable(text)).toBe(expected));

  it('has at most 200 characters, all of them printable', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => {
        const shown = printable(text);
        expect(shown.length).toBeLessThanOrEqual(200);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      }),
    );
    expect(printable(`x${'😀'.repeat(300)}`)).toMatch(/^x(😀)+…$/u);
    expect(printable('x'.repeat(300))).toBe(`${'x'.repeat(199)}…`);
  });

  it('quotes the beginning of what came', () => {
    expect(quoted(Buffer.from('SSH-2.0'))).toBe('"SSH-2.0"');
    expect(quoted(Buffer.alloc(100, 'a'))).toBe(`"${'a'.repeat(40)}…"`);
  });
});

describe('a failed system call', () => {
  const error = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });
  it.each([
    ['ECONNREFUSED', 'bad', 'refused', 'refused'],
    ['EHOSTUNREACH', 'bad', 'unreachable', 'host unreachable'],
    ['EMFILE', 'skipped', 'no_resources', 'no file descriptor left in this process (LimitNOFILE) (EMFILE)'],
    [
      'EADDRNOTAVAIL',
      'skipped',
      'no_source',
      'its source address is not on this host, or no port is left (EADDRNOTAVAIL)',
    ],
    ['EWHATEVER', 'bad', 'other', 'connect EWHATEVER'],
  ])('%s is %s', (code, result, reason, message) =>
    expect(failure(error(code))).toEqual({ result, reason, message }),
  );
});
