// SPDX-License-Identifier: Apache-2.0
/** What a page has to say to be good: `regex` and its options as one JavaScript expression; `digest` has no counterpart. */
import type { Notes } from '../note.js';
import type { Block } from './tree.js';

export function expressionOf(url: Block, notes: Notes): string | undefined {
  url.tell(
    'digest',
    'a page is not hashed; write a regular expression that it must match into "body"',
    notes,
  );
  tellEscapes(url, notes);
  const pattern = url.escaped('regex')?.[0];
  if (pattern === undefined) return undefined;
  url.tell('regex_no_match', 'turned into a negative look-ahead; see that it still means the same', notes);
  const given = url.last('regex_options');
  const options = given?.words.slice(1) ?? [];
  for (const option of options) {
    if (given !== undefined && option !== 'caseless')
      notes.add(given.place, `regex_options ${option}`, 'has no counterpart');
  }
  const classes = options.includes('caseless') ? withoutCase(pattern) : pattern;
  return url.last('regex_no_match') === undefined ? classes : `^(?![\\s\\S]*(?:${classes}))`;
}

function tellEscapes(url: Block, notes: Notes): void {
  const written = url.last('regex')?.written.join(' ').replaceAll('\\\\', '') ?? '';
  const [escape] = /\\[^\\"']/.exec(written) ?? [];
  if (escape !== undefined)
    url.tell(
      'regex',
      `keepalived itself reads ${escape} as an escape (keepalived.conf(5), "Quoted strings"), and so it is read here; \\${escape} gives the expression a backslash`,
      notes,
    );
}

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
