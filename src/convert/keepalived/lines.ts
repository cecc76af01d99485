// SPDX-License-Identifier: Apache-2.0
/**
 * keepalived.conf as the lines that keepalived's own reader would see: comments gone, definitions filled in, conditional
 * lines taken or left, ~SEQ and ~LST unrolled, files included. (keepalived.conf(5), "Conditional configuration",
 * "Parameter substitution", "Sequence blocks", "List blocks".)
 */
import { VsnatError } from '../../errors.js';
import type { Notes, Place } from '../note.js';

export interface Line extends Place {
  readonly text: string;
}

export interface SourceFile {
  readonly file: string;
  readonly text: string;
}

export interface LineOptions {
  /** keepalived -i: lines "@name …" are for this one alone. null: nobody's. */
  readonly configId: string | null;
  /** The files that an include's pattern, relative to the including file, stands for. */
  readonly include: (pattern: string, from: string) => readonly SourceFile[];
  readonly notes: Notes;
}

/** What unrolls without end is a mistake; 65,024 VRRP instances of the manual's example are not. */
const mostLines = 2_000_000;
const deepest = 32;

/** Throws VSNAT_CONFIG_INVALID. */
export function readLines(source: SourceFile, options: LineOptions): readonly Line[] {
  const reader = new Reader(options);
  reader.file(source, 0);
  return reader.lines;
}

class Reader {
  readonly lines: Line[] = [];
  readonly #options: LineOptions;
  readonly #definitions = new Map<string, readonly string[]>();

  constructor(options: LineOptions) {
    this.#options = options;
    this.#definitions.set('_INSTANCE', [options.configId ?? '']);
    this.#definitions.set('_HASH', ['#']);
    this.#definitions.set('_BANG', ['!']);
  }

  file({ file, text }: SourceFile, depth: number): void {
    const outer = this.#definitions.get('_PWD');
    this.#definitions.set('_PWD', [folderOf(file)]);
    const raw = text.split('\n');
    for (let index = 0; index < raw.length; index++) {
      const line = index + 1;
      const parts = [withoutComment(raw[index] ?? '')];
      while (/\\\s*$/.test(parts.at(-1) ?? '') && index + 1 < raw.length) {
        parts.push(withoutComment(raw[++index] ?? ''));
      }
      const cut = parts.map((part) => part.replace(/\\\s*$/, '').trim());
      this.#several(cut, { file, line }, depth);
    }
    if (outer !== undefined) this.#definitions.set('_PWD', outer);
  }

  /** One line, or what a line continued with backslashes consists of. */
  #several(parts: readonly string[], place: Place, depth: number): void {
    const [, name, first = ''] = /^\$([A-Za-z_]\w*)\s*=\s*(.*)$/.exec(parts[0] ?? '') ?? [];
    if (name === undefined) {
      for (const part of parts) this.#one(part, place, depth);
      return;
    }
    const lines = [first, ...parts.slice(1)];
    this.#definitions.set(name, parts.length === 1 ? [this.#filledIn(first)] : lines.filter(Boolean));
  }

  #one(text: string, place: Place, depth: number): void {
    if (text === '') return;
    if (depth > deepest || this.lines.length > mostLines) {
      throw mistake(place, 'must end somewhere, got definitions or includes that go on for ever');
    }
    const loop = /^~(SEQx?|LST)\(((?:[^(){}]|\{[^{}]*\})*)\)\s*(.*)$/.exec(text);
    if (loop !== null) return this.#loop(loop, place, depth);
    const [, negated, id, rest = ''] = /^@(\^?)([\w.:-]+)\s+(.*)$/.exec(text) ?? [];
    if (id !== undefined) {
      if ((id === this.#options.configId) !== (negated === '^')) this.#several([rest], place, depth + 1);
      else this.#leftOut(id, place);
      return;
    }
    if (/^\$[A-Za-z_]\w*\s*=/.test(text)) return this.#several([text], place, depth + 1);
    const block = this.#wholeBlock(text);
    if (block !== undefined) {
      for (const line of block) this.#one(line, place, depth + 1);
      return;
    }
    const filled = this.#filledIn(text);
    const [, pattern] = /^include[rmwba]?\s+(\S+)$/.exec(filled) ?? [];
    if (pattern === undefined) this.lines.push({ ...place, text: filled });
    else this.#include(pattern, place, depth);
  }

  /** A definition of several lines stands alone on a line. */
  #wholeBlock(text: string): readonly string[] | undefined {
    const [, braced, bare] = /^\$(?:\{(\w+)\}|(\w+))$/.exec(text) ?? [];
    const value = this.#definitions.get(braced ?? bare ?? '');
    return value === undefined || value.length < 2 ? undefined : value;
  }

  #leftOut(id: string, place: Place): void {
    this.#options.notes.add(
      place,
      `@${id}`,
      'lines for another host are left out; say --config-id to take those of one',
    );
  }

  #include(pattern: string, place: Place, depth: number): void {
    const files = this.#options.include(pattern, place.file);
    if (files.length === 0) {
      this.#options.notes.add(place, `include ${pattern}`, 'no file has this name, nothing was included');
    }
    for (const file of files) this.file(file, depth + 1);
  }

  #loop([, kind = '', list = '', rest = '']: RegExpExecArray, place: Place, depth: number): void {
    const turns = kind === 'LST' ? listTurns(list) : sequenceTurns(list, kind === 'SEQx' ? 16 : 10);
    if (turns === undefined) throw mistake(place, `~${kind} must name a variable and its values`);
    for (const turn of turns) {
      for (const [name, value] of turn) this.#definitions.set(name, [value]);
      this.#one(rest, place, depth + 1);
    }
  }

  #filledIn(text: string): string {
    let filled = text;
    // A value may name another definition; one that names itself stops here.
    for (let round = 0; round < deepest && filled.includes('$'); round++) {
      const next = filled.replaceAll(/\$(?:\{(\w+)\}|([A-Za-z_]\w*))/g, (whole, braced, bare) => {
        const value = this.#definitions.get(String(braced ?? bare));
        return value === undefined ? whole : value.join(' ');
      });
      if (next === filled) break;
      filled = next;
    }
    return filled;
  }
}

type Turn = readonly (readonly [name: string, value: string])[];

/** "SUBNET, 0, 3", "AD2, 0x90, 0x10, 0xc0": start and step may be left out. */
function sequenceTurns(list: string, radix: number): readonly Turn[] | undefined {
  const [name, ...words] = list.split(',').map((word) => word.trim());
  const numbers = words.map(Number);
  const last = numbers.at(-1);
  if (name === undefined || last === undefined || numbers.length > 3 || !numbers.every(Number.isInteger))
    return undefined;
  const start = numbers.length > 1 ? (numbers[0] ?? 0) : last > 0 ? 1 : -1;
  const step = numbers.length > 2 ? (numbers[1] ?? 0) : last >= start ? 1 : -1;
  const count = Math.floor((last - start) / step) + 1;
  if (step === 0 || count > mostLines) return undefined;
  return Array.from({ length: Math.max(count, 0) }, (_, index): Turn => [
    [name, (start + index * step).toString(radix)],
  ]);
}

/** "IP, 1, 2, 3", or "{IP, IP1}, {10,1}, {20,4}" for several variables at once. */
function listTurns(list: string): readonly Turn[] | undefined {
  const items = [...list.matchAll(/\{([^}]*)\}|([^,{}\s]+)/g)].map(([, group, word]) =>
    (group ?? word ?? '').split(',').map((value) => value.trim()),
  );
  const [names, ...values] = items;
  if (names === undefined || values.some((value) => value.length !== names.length)) return undefined;
  return values.map((value): Turn => names.map((name, index) => [name, value[index] ?? ''] as const));
}

/** From # or ! to the end, but not inside quotes; \# and \! are those characters. */
export function withoutComment(text: string): string {
  const [kept = ''] = /^(?:"(?:\\.|[^"\\])*(?:"|$)|\\.|[^"\\#!]+|\\$)*/s.exec(text) ?? [];
  return kept.replaceAll(/("(?:\\.|[^"\\])*"?)|\\([#!])/gs, '$1$2').trimEnd();
}

const folderOf = (file: string): string => file.replace(/\/?[^/]*$/, '') || '.';

export const mistake = ({ file, line }: Place, problem: string): VsnatError =>
  new VsnatError('VSNAT_CONFIG_INVALID', `${file}:${line}: ${problem}`);
