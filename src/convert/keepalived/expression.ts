// SPDX-License-Identifier: Apache-2.0
/** What a page has to say to be good: `regex` and its options as one JavaScript expression; `digest` has no counterpart. */
import type { Notes } from '../note.js';
import type { Block } from './tree.js';

export function expressionOf(url: Block, notes: Notes): string | undefined {
  const digest = url.last('digest');
  if (digest !== undefined)
    notes.add(
      digest.place,
      'digest',
      'a page is not hashed; write a regular expression that it must match into "body"',
    );
  const pattern = url.escaped('regex')?.[0];
  const written = url.last('regex');
  const [escape] = /\\[^\\"']/.exec(written?.written.join(' ').replaceAll('\\\\', '') ?? '') ?? [];
  if (written !== undefined && escape !== undefined)
    notes.add(
      written.place,
      'regex',
      `keepalived itself reads ${escape} as an escape (keepalived.conf(5), "Quoted strings"), and so it is read here; \\${escape} gives the expression a backslash`,
    );
  const refuses = url.last('regex_no_match');
  if (pattern === undefined) return undefined;
  if (refuses !== undefined) {
    notes.add(
      refuses.place,
      'regex_no_match',
      'turned into a negative look-ahead; see that it still means the same',
    );
  }
  const options = url.last('regex_options')?.words.slice(1) ?? [];
  for (const option of options.filter((one) => !(one in inlineFlags))) {
    notes.add(
      url.last('regex_options')?.place ?? { file: '', line: 0 },
      `regex_options ${option}`,
      'has no counterpart',
    );
  }
  const classes = options.includes('caseless') ? withoutCase(pattern) : pattern;
  return refuses === undefined ? classes : `^(?![\\s\\S]*(?:${classes}))`;
}

const inlineFlags = { caseless: true } as const;

/** JavaScript of Node 20 has no flags within an expression, so every letter becomes both. */
const withoutCase = (pattern: string): string =>
  pattern.replaceAll(/\\.|\[(?:\\.|[^\]])*\]|[A-Za-z]/g, (part) =>
    part.startsWith('\\')
      ? part
      : part.startsWith('[')
        ? part.replaceAll(
            /(\\.)|([A-Za-z])(?!-)/g,
            (_, escaped?: string, letter?: string) => escaped ?? bothCases(letter ?? ''),
          )
        : `[${bothCases(part)}]`,
  );

const bothCases = (letter: string): string => `${letter.toLowerCase()}${letter.toUpperCase()}`;
