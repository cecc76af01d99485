// SPDX-License-Identifier: Apache-2.0
/** The quick reader of plain YAML against the whole parser: it may give up, and must never say anything else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';

import { readPlainYaml } from '../../../src/config/plain-yaml.js';
import { Positions, type Path, type Spots } from '../../../src/config/positions.js';
import { Problems } from '../../../src/config/problem.js';
import { readAnyYaml } from '../../../src/config/yaml.js';

function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value))
    yield* pathsOf(inner, [...path, Array.isArray(value) ? Number(key) : key]);
}

/** The place of every key and value. */
function places(text: string, spots: Spots): unknown {
  const positions = new Positions('f', text);
  positions.settle(spots);
  return [...pathsOf(spots.value)].map((path) => [path, positions.place(path), positions.place(path, 'key')]);
}

const slowly = (text: string): { spots: Spots; mistakes: readonly string[] } => {
  const problems = new Problems(new Positions('f', text));
  const spots = readAnyYaml(text, problems);
  return { spots, mistakes: problems.list.map(({ message }) => message) };
};

/** Whether the quick reader read it. */
function agrees(text: string): boolean {
  const quick = readPlainYaml(text);
  if (quick === undefined) return false;
  const { spots, mistakes } = slowly(text);
  expect(mistakes).toEqual([]);
  expect(quick.value).toEqual(spots.value);
  expect(places(text, quick)).toEqual(places(text, spots));
  return true;
}

describe('plain YAML', () => {
  it.each([
    'a: 1',
    'services: []\n',
    '# a comment\n\nservices: # another\n  - name: web   # and one more\n    listen: tcp://10.9.0.1:80\n',
    'services:\n- a\n- b\nlog: { level: info }\n',
    'a:\n  - - 1\n    - 2\n  - - 3\n',
    'a:\nb:\n  # nothing\nc: ~\n',
    'a: [10.2.1.2:80, { address: 10.2.1.3:80, weight: 3 }, []]',
    'a: "x # y" # z\nb: \'it\'\'s\'\nc: "\\u0041\\n"\n',
    '- a: 1\n  b: 2\n-   c: 3\n    d:\n      - 4\n',
    'a: 1.50\nb: 010\nc: 10.2.1.1\nd: 300s\ne: true\nf: Null\ng: ./x.js\nh: a#b\n',
    'a: b   \n\n\nc: d',
    'a: ${PORT}\nb: x${Y:-z}\n',
  ])('is read as the parser reads it: %j', (text) => {
    expect(agrees(text)).toBe(true);
  });

  it.each([
    ['an anchor', 'a: &x 1\nb: *x\n'],
    ['a tag', 'a: !t 1\n'],
    ['text over two lines', 'a: b\n  c\n'],
    ['a block of text', 'a: |\n  b\n'],
    ['a key twice', 'a: 1\na: 2\n'],
    ['a key twice in brackets', '{ a: 1, a: 2 }'],
    ['a tab', 'a:\t1\n'],
    ['brackets over two lines', 'a: [1,\n  2]\n'],
    ['two documents', 'a: 1\n---\nb: 2\n'],
    ['a number of another base', 'a: 0x10\n'],
    ['an unquoted IPv6 address in brackets', 'a: [tcp://[::1]:80]\n'],
    ['an open bracket', 'a: [1\n'],
    ['a wrong indentation', 'a:\n    b: 1\n  c: 2\n'],
    ['nothing', ''],
    ['nesting without end', 'a: '.concat('['.repeat(1000), ']'.repeat(1000))],
  ])('is not %s', (_, text) => {
    expect(readPlainYaml(text)).toBeUndefined();
  });

  it('is what the parser writes, mostly', () => {
    const leaf = fc.oneof(
      fc.constantFrom(
        '10.2.1.2:80',
        'tcp://[2001:db8::1]:80',
        'web',
        '',
        'a b',
        '#',
        '- x',
        'true',
        '1e3',
        "it's",
      ),
      fc.integer({ min: 0, max: 99_999 }),
      fc.boolean(),
      fc.constant(null),
      fc.string(),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('tree'), { maxLength: 4 }), tie('map')),
      map: fc.dictionary(fc.constantFrom('a', 'bc', 'd_e', 'f-g', 'h.i', 'constructor'), tie('tree')),
    }));
    let read = 0;
    const options = fc.constantFrom({}, { indentSeq: false }, {
      collectionStyle: 'flow',
      lineWidth: 0,
    } as const);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c'), tree), options, (value, how) => {
        if (agrees(stringify(value, how))) read += 1;
      }),
      { numRuns: 400 },
    );
    expect(read).toBeGreaterThan(50);
  });

  it('is never read otherwise than the parser does, whatever is put together', () => {
    const pieces = fc.constantFrom(
      ...[
        'a',
        'b:',
        'c: ',
        ' ',
        '  ',
        '    ',
        '- ',
        '-',
        ':',
        '#',
        ' # x',
        '\n',
        '\n',
        '\n  ',
        '\n- ',
        '\na: ',
      ],
      ...[
        '"x"',
        "'y'",
        '"',
        "'",
        '[',
        ']',
        '{',
        '}',
        ', ',
        ',',
        '[]',
        '{ a: 1 }',
        '10.2.1.2:80',
        '10.2.1',
        '1',
      ],
      ...[
        '1.5',
        '0x1',
        '.5',
        '1e3',
        '-1',
        '~',
        'null',
        'true',
        '*',
        '&a ',
        '!t ',
        '|',
        '>',
        '<<: ',
        '---',
        '\n...',
      ],
      ...['%', '?', '? ', '${A}', '\\', '\u00a0', '\u2003', '@', '`', '=', 'ä'],
    );
    let read = 0;
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 14 }), (some) => {
        if (agrees(`a: ${some.join('')}`)) read += 1;
        agrees(some.join(''));
      }),
      { numRuns: 4000 },
    );
    expect(read).toBeGreaterThan(100);
  });
});
