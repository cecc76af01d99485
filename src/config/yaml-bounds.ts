// SPDX-License-Identifier: Apache-2.0
/**
 * What the YAML parser must not be given. It reads all of a text into a tree first, takes some hundred bytes for each of it, and
 * recurses: ten megabytes of `[` end the process by lack of memory, and a daemon that is asked to reload such a file has
 * connections to lose. Its own lexer finds them out in a seventh of the time that parsing takes.
 */
import { Lexer } from 'yaml';
import type { Complaint } from './problem.js';

/** The configuration is 6 levels deep. */
export const deepest = 32;

export const tooDeep: Complaint = { must: `be nested at most ${deepest} deep`, got: 'more' };

/** What reads plain configurations (plain-yaml.ts) has no such bound: ten thousand services with ten servers are 4 MB. */
const mostParsed = 16 * 2 ** 20;

export interface Excess {
  readonly offset: number;
  readonly complaint: Complaint;
}

export function findExcess(text: string): Excess | undefined {
  if (text.length <= mostParsed) return findDepth(text);
  const must =
    'have at most 16 MiB, or be plain: block lists and maps, no anchors, brackets closed in their line';
  return { offset: 0, complaint: { must, got: `${Math.ceil(text.length / 2 ** 20)} MiB` } };
}

/** Brackets within brackets, and columns within columns: of lines, and of lists that begin within their line. */
function findDepth(text: string): Excess | undefined {
  let [offset, lineStart, brackets] = [0, 0, 0];
  const columns: number[] = [];
  for (const token of new Lexer().lex(text)) {
    if (marks.has(token)) continue;
    if (token === '[' || token === '{') brackets += 1;
    else if (token === ']' || token === '}') brackets -= 1;
    else if (brackets === 0 && !/^[\s#:]/.test(token)) enter(columns, offset - lineStart);
    if (brackets > deepest || columns.length > deepest) return { offset, complaint: tooDeep };
    offset += token.length;
    if (token.endsWith('\n')) lineStart = offset;
  }
  return undefined;
}

/** What is further to the left has ended what began here or to the right. */
function enter(columns: number[], column: number): void {
  while ((columns.at(-1) ?? -1) >= column) columns.pop();
  columns.push(column);
}

/** The lexer's words about the text, which are not in it: a document or a scalar begins, brackets are left open. */
const marks = new Set(['\u0002', '\u001f', '\u0018']);
