// SPDX-License-Identifier: Apache-2.0
/** keepalived.conf as a tree: statements of words, some of them with a block of further statements. */
import { mistake, type Line } from './lines.js';
import type { Place } from '../note.js';

export interface Statement {
  readonly place: Place;
  /** The first is what the statement is about; quotes are taken off. */
  readonly words: readonly string[];
  /** null without braces. */
  readonly block: readonly Statement[] | null;
}

interface Open {
  readonly statement: Statement | null;
  readonly children: Statement[];
}

/** Throws VSNAT_CONFIG_INVALID for braces that do not match. */
export function readTree(lines: readonly Line[]): readonly Statement[] {
  const stack: Open[] = [{ statement: null, children: [] }];
  const top = (): Open => stack.at(-1) ?? { statement: null, children: [] };
  for (const { text, file, line } of lines) {
    const place = { file, line };
    let words: string[] = [];
    const end = (): void => {
      if (words.length > 0) top().children.push({ place, words, block: null });
      words = [];
    };
    for (const token of tokensOf(text)) {
      if (token === openBrace) {
        end();
        const owner = top().children.pop(); // the brace may stand on a line of its own
        if (owner?.block !== null) throw mistake(place, 'must name what the { is of, got { alone');
        stack.push({ statement: owner, children: [] });
      } else if (token === closeBrace) {
        end();
        const { statement, children } = stack.pop() ?? top();
        if (statement === null) throw mistake(place, 'must have a { before it, got } alone');
        top().children.push({ ...statement, block: children });
      } else words.push(token.word);
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
type Token = typeof openBrace | typeof closeBrace | { readonly word: string };

/** Words are apart by blanks; braces are words of their own except within quotes. */
function* tokensOf(text: string): Generator<Token> {
  for (const [token] of text.matchAll(/[{}]|(?:"(?:\\.|[^"\\])*"?|[^\s{}"]+)+/g)) {
    if (token === '{') yield openBrace;
    else if (token === '}') yield closeBrace;
    else yield { word: unquoted(token) };
  }
}

const unquoted = (token: string): string =>
  token.replaceAll(/"((?:\\.|[^"\\])*)"?/g, (_, inside: string) => inside.replaceAll(/\\(["\\])/g, '$1'));

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
