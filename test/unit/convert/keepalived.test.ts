// SPDX-License-Identifier: Apache-2.0
/** keepalived's own language: comments, quotes, definitions, conditions, sequences, braces; and its mistakes. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { convert } from '../../../src/convert/index.js';
import { rangeOf } from '../../../src/convert/keepalived/addresses.js';
import { readLines, withoutComment } from '../../../src/convert/keepalived/lines.js';
import { Block, escapedWords, readTree, type Statement } from '../../../src/convert/keepalived/tree.js';
import { Notes } from '../../../src/convert/note.js';
import { noNames } from './names.js';

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
  readTree(
    text.split('\n').map((line, index) => ({ file: 'k.conf', line: index + 1, text: line })),
    new Notes(),
  );

describe('a line', () => {
  test.each([
    ['weight 1 # one', 'weight 1'],
    ['! all of it', ''],
    ['regex "a#b!c" ! but this', 'regex "a#b!c"'],
    ['regex "say \\"#\\"" # end', 'regex "say \\"#\\""'],
    ['unended "quote # stays', 'unended "quote # stays'],
    ['path /a\\#b\\!c # end', 'path /a#b!c'],
    ['regex "a\\#b"', 'regex "a\\#b"'],
    ['goes on \\', 'goes on \\'],
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

  test.each([
    ['server { weight 2 TCP_CHECK { x } }', 'server { weight 2; TCP_CHECK { x; }; };'],
    ['real_server 10.0.0.1 80 { HTTP_GET { url { path / } retry 2 } }', null],
    ['virtual_server group url { x }', null],
  ])('%j has its blocks, whatever they stand behind', (text, expected) => {
    const shown = (statements: readonly Statement[]): string =>
      statements
        .map(({ words, block }) => `${words.join(' ')}${block === null ? '' : ` { ${shown(block)} }`};`)
        .join(' ');
    const plain = (words: string): string => words.replaceAll(/[;\s]+/g, ' ').trim();
    expect(expected === null ? plain(shown(tree(text))) : shown(tree(text))).toBe(expected ?? text);
  });

  test.each([
    ['regex a', ['a']],
    ['regex "a b" c', ['a b', 'c']],
    ["regex 'a \"b' c", ['a "b', 'c']],
    ['regex "it\'s"', ["it's"]],
    ['regex a"b c"d', ['ab cd']],
    ['regex "\\\\d\\d\\x41\\101\\cA\\t\\""', ['\\ddAA\u0001\t"']],
    ['regex', []],
  ])('%j has the words %j where escapes are known', (text, expected) => {
    expect(tree(text).map(escapedWords)).toEqual([expected]);
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

describe('every keyword of virtual servers', () => {
  /** As keepalived 2.3 registers them (keepalived.conf(5)). */
  const ofServices =
    'delay_loop lb_algo lvs_sched lb_kind lvs_method hashed flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback ops ' +
    'persistence_engine persistence_timeout persistence_granularity protocol ha_suspend smtp_alert virtualhost snmp_name alpha omega ' +
    'quorum hysteresis quorum_up quorum_down ip_family sorry_server sorry_server_inhibit sorry_server_lvs_method retry ' +
    'delay_before_retry warmup connect_timeout inhibit_on_failure weight uthreshold lthreshold notify_up notify_down log_all_failures';
  const ofCheckers =
    'connect_ip connect_port bindto bind_port bind_if connect_timeout fwmark alpha retry nb_get_retry delay_before_retry warmup ' +
    'delay_loop log_all_failures http_protocol enable_sni fast_recovery url virtualhost misc_path misc_timeout misc_dynamic user type ' +
    'name payload require_reply min_reply_length max_reply_length helo_name host';
  const ofUrls =
    'path digest status_code virtualhost regex regex_no_match regex_options regex_min_offset regex_max_offset regex_stack';
  const unknown = async (text: string): Promise<readonly string[]> => {
    const { notes } = await convert(
      { file: 'k.conf', text },
      { configId: null, include: () => [], names: noNames },
    );
    return notes.filter((note) => note.text.startsWith('is not known')).map(({ subject }) => subject);
  };
  const within = (block: string): string =>
    `virtual_server 10.9.0.1 80 {\n protocol TCP\n real_server 10.2.1.2 80 {\n ${block}\n }\n}\n`;

  test.each(ofServices.split(' '))('%s of a service is known', async (word) =>
    expect(await unknown(`virtual_server 10.9.0.1 80 {\n ${word} 1\n}\n`)).toEqual([]),
  );
  test.each(ofCheckers.split(' '))('%s of a checker is known', async (word) =>
    expect(await unknown(within(`HTTP_GET {\n ${word} 1\n }`))).toEqual([]),
  );
  test.each(ofUrls.split(' '))('%s of a url is known', async (word) =>
    expect(await unknown(within(`HTTP_GET {\n url {\n ${word} 1\n }\n }`))).toEqual([]),
  );

  test('and one that is none is named wherever it stands', async () => {
    expect(await unknown('virtual_server 10.9.0.1 80 {\n nonsense 1\n}\n')).toEqual(['nonsense']);
    expect(await unknown(within('nonsense'))).toEqual(['nonsense']);
    expect(await unknown(within('TCP_CHECK {\n nonsense\n }'))).toEqual(['nonsense']);
    expect(await unknown(within('HTTP_GET {\n url {\n nonsense\n }\n }'))).toEqual(['nonsense']);
    expect(await unknown('nonsense {\n}\nvirtual_server 10.9.0.1 80 {\n}\n')).toEqual(['nonsense']);
  });
});
