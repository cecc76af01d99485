// SPDX-License-Identifier: Apache-2.0
/**
 * The YAML that nearly every configuration is written in, read twenty times as fast as a whole YAML parser reads it: block
 * maps and lists, lists and maps in brackets on one line, plain and quoted scalars on one line, comments. A director with
 * a hundred thousand servers has a file of megabytes, and a reload of it must not keep health checks waiting for seconds.
 *
 * It gives up, without a word, on everything else: anchors, tags, text over several lines, odd keys, a key given twice, a
 * mistake of any kind. Then the parser in yaml.ts reads the whole text, and says what is wrong where something is. So
 * there is one answer to every text; test/unit/config/plain-yaml.test.ts holds the two against each other.
 */
import { emptyMap } from './defaults.js';
import { nowhere, type Spots } from './positions.js';

/** undefined: not plain enough. */
export function readPlainYaml(text: string): Spots | undefined {
  if (unusual.test(text)) return undefined;
  try {
    return new Reader(text).document();
  } catch (error) {
    if (error === notPlain) return undefined;
    throw error;
  }
}

/** Tabs, carriage returns, other control characters, byte order marks, and what takes two units of UTF-16. */
const unusual = /[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe]/;

const notPlain = new Error('not plain');

const newline = 0x0a;
const space = 0x20;
const doubleQuote = 0x22;
const hash = 0x23;
const singleQuote = 0x27;
const comma = 0x2c;
const dash = 0x2d;
const openList = 0x5b;
const closeList = 0x5d;
const openMap = 0x7b;
const closeMap = 0x7d;

/** Deeper than any configuration, and not so deep that the stack could end. */
const deepest = 24;

/** Keys begin with a letter: one that is a number would change its place in a JavaScript object. */
const keyForm = /([A-Za-z_][\w.-]{0,63}):(?= |\n|$)/y;
const doubleForm = /"(?:[^"\\\n]|\\["\\/bfnrt]|\\u(?!d[89a-f])[0-9a-f]{4})*"/iy;
const singleForm = /'((?:[^'\n]|'')*)'/y;
/** To the end of the line, and in brackets to what ends a value there; what must not be inside is looked for then. */
const plainForm = /(?:[A-Za-z0-9./_$+^(<=~;]|-(?=[A-Za-z0-9./]))[^\n]*/y;
const plainInBracketsForm = /(?:[A-Za-z0-9./_$+^(<=~;]|-(?=[A-Za-z0-9./]))[^\n,[\]{}]*/y;

class Reader {
  readonly #text: string;
  readonly #inside = new Map<object, readonly number[]>();
  /** What comes next, and the column it stands in, which is the indentation of a block that begins there. */
  #at = 0;
  #indent = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Spots {
    this.#enterLine(0);
    const start = this.#at;
    const value = this.#block();
    if (this.#indent !== nowhere) throw notPlain;
    return { value, start, inside: this.#inside };
  }

  /** To the next line that says something, from the start of a line. At the end the indentation is `nowhere`. */
  #enterLine(from: number): void {
    const text = this.#text;
    for (let start = from; start < text.length;) {
      let at = start;
      while (text.charCodeAt(at) === space) at += 1;
      if (at === text.length) break;
      const code = text.charCodeAt(at);
      if (code !== newline && code !== hash) {
        this.#at = at;
        this.#indent = at - start;
        return;
      }
      const end = text.indexOf('\n', at);
      if (end < 0) break;
      start = end + 1;
    }
    this.#at = text.length;
    this.#indent = nowhere;
  }

  /** After a value nothing may stand in its line but a comment. */
  #endLine(): void {
    const text = this.#text;
    const before = this.#at;
    this.#skipSpaces();
    if (this.#at < text.length && text.charCodeAt(this.#at) !== newline) {
      if (text.charCodeAt(this.#at) !== hash || this.#at === before) throw notPlain;
      const end = text.indexOf('\n', this.#at);
      this.#at = end < 0 ? text.length : end;
    }
    this.#enterLine(this.#at + 1);
  }

  #skipSpaces(): void {
    while (this.#text.charCodeAt(this.#at) === space) this.#at += 1;
  }

  #isItem(): boolean {
    return this.#text.charCodeAt(this.#at) === dash && this.#text.charCodeAt(this.#at + 1) === space;
  }

  #isKey(): boolean {
    keyForm.lastIndex = this.#at;
    return keyForm.test(this.#text);
  }

  #block(): unknown {
    this.#depth += 1;
    if (this.#depth > deepest) throw notPlain;
    const value = this.#isItem() ? this.#list() : this.#map();
    this.#depth -= 1;
    return value;
  }

  #list(): unknown {
    const indent = this.#indent;
    const result: unknown[] = [];
    const offsets: number[] = [];
    do {
      const start = this.#at;
      this.#at += 1;
      this.#skipSpaces();
      offsets.push(this.#at);
      this.#indent = indent + this.#at - start;
      if (this.#isItem() || this.#isKey()) result.push(this.#block());
      else {
        result.push(this.#inline());
        this.#endLine();
      }
    } while (this.#indent === indent && this.#isItem());
    if (this.#indent > indent) throw notPlain;
    this.#inside.set(result, offsets);
    return result;
  }

  #map(): unknown {
    const indent = this.#indent;
    const result = emptyMap();
    const offsets: number[] = [];
    do {
      const start = this.#at;
      const key = this.#key(result);
      const colon = this.#at;
      this.#skipSpaces();
      const code = this.#text.charCodeAt(this.#at);
      offsets.push(start);
      if (this.#at < this.#text.length && code !== newline && code !== hash) {
        offsets.push(this.#at);
        result[key] = this.#inline();
        this.#endLine();
        continue;
      }
      this.#at = colon;
      this.#endLine();
      const isDeeper = this.#indent > indent || (this.#indent === indent && this.#isItem());
      offsets.push(isDeeper ? this.#at : start);
      result[key] = isDeeper ? this.#block() : null;
    } while (this.#indent === indent);
    if (this.#indent > indent) throw notPlain;
    this.#inside.set(result, offsets);
    return result;
  }

  /** With its colon. */
  #key(map: object): string {
    keyForm.lastIndex = this.#at;
    const key = keyForm.exec(this.#text)?.[1];
    if (key === undefined || key in map) throw notPlain;
    this.#at = keyForm.lastIndex;
    return key;
  }

  /** A value within its line. */
  #inline(): unknown {
    switch (this.#text.charCodeAt(this.#at)) {
      case openList:
        return this.#listInBrackets();
      case openMap:
        return this.#mapInBrackets();
      case doubleQuote:
      case singleQuote:
        return this.#quoted();
      default:
        return this.#plain();
    }
  }

  #inBrackets(): unknown {
    const code = this.#text.charCodeAt(this.#at);
    if (code === openList) return this.#listInBrackets();
    if (code === openMap) return this.#mapInBrackets();
    return code === doubleQuote || code === singleQuote ? this.#quoted() : this.#plainInBrackets();
  }

  #listInBrackets(): unknown {
    const result: unknown[] = [];
    const offsets: number[] = [];
    this.#enterBrackets();
    if (this.#text.charCodeAt(this.#at) === closeList) this.#at += 1;
    else
      do {
        this.#skipSpaces();
        offsets.push(this.#at);
        result.push(this.#inBrackets());
      } while (this.#goesOn(closeList));
    this.#depth -= 1;
    this.#inside.set(result, offsets);
    return result;
  }

  #mapInBrackets(): unknown {
    const result = emptyMap();
    const offsets: number[] = [];
    this.#enterBrackets();
    if (this.#text.charCodeAt(this.#at) === closeMap) this.#at += 1;
    else
      do {
        this.#skipSpaces();
        offsets.push(this.#at);
        const key = this.#key(result);
        this.#skipSpaces();
        offsets.push(this.#at);
        result[key] = this.#inBrackets();
      } while (this.#goesOn(closeMap));
    this.#depth -= 1;
    this.#inside.set(result, offsets);
    return result;
  }

  #enterBrackets(): void {
    this.#depth += 1;
    if (this.#depth > deepest) throw notPlain;
    this.#at += 1;
    this.#skipSpaces();
  }

  /** Past a comma, with true, or past the closing bracket. */
  #goesOn(close: number): boolean {
    this.#skipSpaces();
    const code = this.#text.charCodeAt(this.#at);
    if (code !== comma && code !== close) throw notPlain;
    this.#at += 1;
    return code === comma;
  }

  #quoted(): string {
    const form = this.#text.charCodeAt(this.#at) === doubleQuote ? doubleForm : singleForm;
    form.lastIndex = this.#at;
    const match = form.exec(this.#text);
    if (match === null) throw notPlain;
    this.#at = form.lastIndex;
    // What JSON escapes, YAML escapes the same way.
    return form === doubleForm ? (JSON.parse(match[0]) as string) : (match[1] ?? '').replaceAll("''", "'");
  }

  #plain(): unknown {
    plainForm.lastIndex = this.#at;
    const line = plainForm.exec(this.#text)?.[0];
    if (line === undefined) throw notPlain;
    const comment = line.indexOf(' #');
    const written = withoutEnd(comment < 0 ? line : line.slice(0, comment));
    this.#at += written.length;
    return scalar(written);
  }

  #plainInBrackets(): unknown {
    plainInBracketsForm.lastIndex = this.#at;
    const found = plainInBracketsForm.exec(this.#text)?.[0];
    if (found === undefined || found.includes(' #')) throw notPlain;
    const written = withoutEnd(found);
    this.#at += written.length;
    return scalar(written);
  }
}

/** Without spaces at the end; only these are space to YAML. */
function withoutEnd(text: string): string {
  let end = text.length;
  while (text.charCodeAt(end - 1) === space) end -= 1;
  return text.slice(0, end);
}

/** YAML 1.2's core schema, but for numbers that are hardly ever meant. */
function scalar(text: string): unknown {
  if (text.includes(': ') || text.endsWith(':')) throw notPlain;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (/^(?:~|null|Null|NULL)$/.test(text)) return null;
  if (!/^[-+.\d]/.test(text)) return text;
  if (/^\d{1,15}(?:\.\d{1,15})?$/.test(text)) return Number(text);
  // A sign, an exponent, another base, infinity: the parser knows.
  if (/^[-+]|^\.(?:\d|inf|nan)|^0[ox]|^[\d.]+(?:[eE][-+\d]+)?$/i.test(text) && !/^\d+\.\d+\.\d+/.test(text))
    throw notPlain;
  return text;
}
