// SPDX-License-Identifier: Apache-2.0
/** keepalived.conf as a tree: statements of words, some of them with a block of further statements. */
import type { Notes, Place } from '../note.js';
import { mistake, type Line } from './lines.js';

export interface Statement {
  readonly place: Place;
  /** The first is what the statement is about; quotes are taken off. */
  readonly words: readonly string[];
  /** The same words as they were written, for the few keywords that know escapes. */
  readonly written: readonly string[];
  /** null without braces. */
  readonly block: readonly Statement[] | null;
}

interface Open {
  readonly statement: Statement | null;
  readonly children: Statement[];
}

/** Where a block's name stands that people put behind a setting; keepalived refuses that, and what is meant is plain. */
const innerOf = ([first = '', ...more]: readonly string[]): number =>
  first.startsWith('virtual_server')
    ? -1 // a group may have any name
    : more.findLastIndex((word) => /^(?:[A-Z]+_(?:CHECK|GET)|url|real_server)$/.test(word)) + 1;

/** Throws VSNAT_CONFIG_INVALID for braces that do not match. */
export function readTree(lines: readonly Line[], notes: Notes): readonly Statement[] {
  const stack: Open[] = [{ statement: null, children: [] }];
  const top = (): Open => stack.at(-1) ?? { statement: null, children: [] };
  for (const { text, file, line } of lines) {
    const place = { file, line };
    let written: string[] = [];
    const push = (tokens: readonly string[]): void => {
      if (tokens.length === 0) return;
      top().children.push({ place, words: tokens.map(unquoted), written: tokens, block: null });
    };
    const end = (): void => {
      push(written);
      written = [];
    };
    for (const token of tokensOf(text)) {
      if (token === openBrace) {
        const inner = innerOf(written);
        if (inner > 0) {
          notes.add(
            place,
            written[inner] ?? '',
            'keepalived wants a line of its own for it; read as if it had one',
          );
          push(written.slice(0, inner));
          written = written.slice(inner);
        }
        end();
        const owner = top().children.pop(); // the brace may stand on a line of its own
        if (owner?.block !== null) throw mistake(place, 'must name what the { is of, got { alone');
        stack.push({ statement: owner, children: [] });
      } else if (token === closeBrace) {
        end();
        const { statement, children } = stack.pop() ?? top();
        if (statement === null) throw mistake(place, 'must have a { before it, got } alone');
        top().children.push({ ...statement, block: children });
      } else written.push(token.text);
    }
    end();
  }
  const { statement, children } = top();
  if (statement !== null) {
    throw mistake(statement.place, `${statement.words.join(' ')} must end with }, got the end of the file`);
  }
  return children;
}

const openBrace = Symbol('{');
const closeBrace = Symbol('}');
type Token = typeof openBrace | typeof closeBrace | { readonly text: string };

/** Words are apart by blanks; braces are words of their own except within quotes. */
function* tokensOf(text: string): Generator<Token> {
  for (const [token] of text.matchAll(
    /[{}]|(?<=\s)'[^'{}]*'(?=[\s{}]|$)|(?:"(?:\\.|[^"\\])*"?|[^\s{}"]+)+/g,
  )) {
    if (token === '{') yield openBrace;
    else if (token === '}') yield closeBrace;
    else yield { text: token };
  }
}

const unquoted = (token: string): string =>
  token.replaceAll(/"((?:\\.|[^"\\])*)"?/g, (_, inside: string) => inside.replaceAll(/\\(["\\])/g, '$1'));

const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  E: '\u001b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The words behind the name where keepalived.conf(5), "Quoted strings", holds: quotes of both kinds, and a shell's escapes. */
export function escapedWords({ written }: Statement): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  const pieces = /'((?:\\.|[^'\\])*)'?|"((?:\\.|[^"\\])*)"?|\s+|(?:\\.|[^\s'"\\])+|\\/gs;
  for (const [piece, single, double] of `${written.slice(1).join(' ')} `.matchAll(pieces)) {
    if (piece.trim() !== '') word = (word ?? '') + unescaped(single ?? double ?? piece);
    else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  return words;
}

const unescaped = (text: string): string =>
  text.replaceAll(
    /\\(?:x([\da-fA-F]+)|c(.)|([0-7]{1,3})|(.))/gs,
    (_, hex?: string, control?: string, octal?: string, other?: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16) & 0xff);
      if (control !== undefined) return String.fromCharCode(control.charCodeAt(0) & 0x1f);
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
      return other === undefined ? '' : (escapes[other] ?? other);
    },
  );

/** A block's statements by their first word, and the words of the one that counts: the last. */
export class Block {
  readonly statements: readonly Statement[];

  constructor({ block }: Pick<Statement, 'block'>) {
    this.statements = block ?? [];
  }

  all(...names: readonly string[]): readonly Statement[] {
    return this.statements.filter(({ words: [name = ''] }) => names.includes(name));
  }

  last(...names: readonly string[]): Statement | undefined {
    return this.all(...names).at(-1);
  }

  /** Has `sentence` said of it, if it is there. */
  tell(name: string, sentence: string, notes: Notes): void {
    const found = this.last(name);
    if (found !== undefined) notes.add(found.place, name, sentence);
  }

  /** The words behind the name, of a keyword that knows escapes. */
  escaped(name: string): readonly string[] | undefined {
    const found = this.last(name);
    return found === undefined ? undefined : escapedWords(found);
  }

  /** The first word behind the name. */
  text(...names: readonly string[]): string | undefined {
    return this.last(...names)?.words[1];
  }

  /** A switch: there, and not followed by a word for no. */
  isOn(name: string): boolean {
    const found = this.last(name);
    return found !== undefined && !['false', 'no', 'off', '0'].includes(found.words[1] ?? '');
  }

  number(...names: readonly string[]): number | undefined {
    const value = Number(this.text(...names) ?? Number.NaN);
    return Number.isFinite(value) && value >= 0 ? value : undefined;
  }
}
