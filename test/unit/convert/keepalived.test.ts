// SPDX-License-Identifier: Apache-2.0
/** keepalived's own language: comments, quotes, definitions, conditions, sequences, braces; and its mistakes. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { rangeOf } from '../../../src/convert/keepalived/addresses.js';
import { readLines, withoutComment } from '../../../src/convert/keepalived/lines.js';
import { Block, readTree, type Statement } from '../../../src/convert/keepalived/tree.js';
import { Notes } from '../../../src/convert/note.js';

interface Around {
  readonly configId?: string;
  readonly files?: Readonly<Record<string, string>>;
}

const lines = (text: string, { configId, files = {} }: Around = {}): readonly string[] =>
  readLines(
    { file: 'k.conf', text },
    {
      configId: configId ?? null,
      include: (pattern) => (pattern in files ? [{ file: pattern, text: files[pattern] ?? '' }] : []),
      notes: new Notes(),
    },
  ).map((line) => line.text);

/** What the language is made of. */
const hostile = [
  '{',
  '}',
  '"',
  '\\',
  '$',
  '@',
  '~',
  '#',
  '!',
  ' ',
  '\n',
  'a',
  '=',
  '(',
  ')',
  'include ',
  'SEQ',
];

const tree = (text: string): readonly Statement[] =>
  readTree(text.split('\n').map((line, index) => ({ file: 'k.conf', line: index + 1, text: line })));

describe('a line', () => {
  test.each([
    ['weight 1 # one', 'weight 1'],
    ['! all of it', ''],
    ['regex "a#b!c" ! but this', 'regex "a#b!c"'],
    ['regex "say \\"#\\"" # end', 'regex "say \\"#\\""'],
    ['unended "quote # stays', 'unended "quote # stays'],
  ])('%j without its comment is %j', (text, rest) => {
    expect(withoutComment(text)).toBe(rest);
  });

  test('is filled in with definitions, also within words and of other definitions', () => {
    expect(lines('$NET=10.0\n$HOST=$NET.7\nreal_server ${HOST} 80\nx $UNKNOWN')).toEqual([
      'real_server 10.0.7 80',
      'x $UNKNOWN',
    ]);
  });

  test('takes the value its definition had at that moment', () => {
    expect(lines('$N=1\na $N\n$N=2\na $N')).toEqual(['a 1', 'a 2']);
  });

  test('may stand for several, with definitions of their own', () => {
    expect(lines('$RS= \\\n real $N { \\\n weight $W \\\n }\n$N=1\n$W=5\n$RS\n$N=2\n$RS')).toEqual([
      'real 1 {',
      'weight 5',
      '}',
      'real 2 {',
      'weight 5',
      '}',
    ]);
  });

  test('for one host is taken by that host alone, and negated by all others', () => {
    const text = '@a x 1\n@^a x 2';
    expect(lines(text, { configId: 'a' })).toEqual(['x 1']);
    expect(lines(text, { configId: 'b' })).toEqual(['x 2']);
    expect(lines(text)).toEqual(['x 2']);
  });

  test.each([
    ['~SEQ(N, 0, 3) a $N', ['a 0', 'a 1', 'a 2', 'a 3']],
    ['~SEQ(N, 2) a $N', ['a 1', 'a 2']],
    ['~SEQ(N, 6, -2, 1) a $N', ['a 6', 'a 4', 'a 2']],
    ['~SEQx(N, 0x90, 0x10, 0xb0) a $N', ['a 90', 'a a0', 'a b0']],
    ['~LST(IP, 7, 9) a $IP', ['a 7', 'a 9']],
    ['~LST({I, J}, {10,1},{20,4}) ~SEQ(K,2) a $I.$J.$K', ['a 10.1.1', 'a 10.1.2', 'a 20.4.1', 'a 20.4.2']],
  ])('%j is unrolled', (text, expected) => {
    expect(lines(text)).toEqual(expected);
  });

  test('may include files, which may include others', () => {
    const files = { 'a.conf': 'x\ninclude b.conf', 'b.conf': 'y' };
    expect(lines('include a.conf\nz', { files })).toEqual(['x', 'y', 'z']);
  });

  test.each([
    ['include k.conf', { 'k.conf': 'include k.conf' }],
    ['$A= \\\n$A \\\nx\n$A', {}],
    ['~SEQ(N, 0, 0, 5) x', {}],
    ['~SEQ(N, 1, 9000000) x', {}],
  ])('%j goes on for ever and is refused with its place', (text, files) => {
    expect(() => lines(text, { files })).toThrow(/^k\.conf:\d+: /);
  });
});

describe('a tree', () => {
  test('has the same shape wherever the braces stand', () => {
    const shape = (statements: readonly Statement[]): unknown =>
      statements.map(({ words, block }) => [words, block === null ? null : shape(block)]);
    const expected = [[['url'], [[['path', '/a b'], null]]]];
    expect(shape(tree('url {\n path "/a b"\n}'))).toEqual(expected);
    expect(shape(tree('url\n{\n path "/a b" }'))).toEqual(expected);
    expect(shape(tree('url { path "/a b" }'))).toEqual(expected);
  });

  test.each([
    ['a {\n b', /^k\.conf:1: a must end with }, got the end of the file$/],
    ['}', /^k\.conf:1: must have a { before it/],
    ['{ x }', /^k\.conf:1: must name what the { is of/],
  ])('%j is refused', (text, message) => {
    expect(() => tree(text)).toThrow(message);
  });

  test('keeps backslashes of expressions, and takes them from quotes', () => {
    const block = new Block({ block: tree('regex "^v\\d+ \\"x\\""') });
    expect(block.text('regex')).toBe('^v\\d+ "x"');
  });

  test('is read or refused in a sentence, whatever the text', () => {
    const anyText = fc.string({
      unit: fc.constantFrom(...hostile),
      maxLength: 60,
    });
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          lines(text);
          tree(text);
        } catch (error) {
          expect(String(error)).toMatch(/k\.conf:\d+: /);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a range of addresses', () => {
  test.each([
    ['192.168.200.3-5', ['192.168.200.3', '192.168.200.4', '192.168.200.5']],
    ['10.0.0.254-10.0.1.1', ['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1']],
    ['10.0.0.8/30', ['10.0.0.8', '10.0.0.9', '10.0.0.10', '10.0.0.11']],
    ['2001:db8::e-11', ['2001:db8::e', '2001:db8::f', '2001:db8::10', '2001:db8::11']],
    ['10.0.0.1', ['10.0.0.1']],
  ])('%s is written out', (text, expected) => {
    expect(rangeOf(text)).toEqual(expected);
  });

  test.each(['10.0.0.5-3', '10.0.0.0/8', '10.0.0.300-301', '2001:db8::5-1'])('%s is refused', (text) => {
    expect(rangeOf(text)).toBeUndefined();
  });
});
