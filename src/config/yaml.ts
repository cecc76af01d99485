// SPDX-License-Identifier: Apache-2.0
/**
 * YAML text to plain values and their positions. The library parses; the walk from its tree to plain values is ours,
 * because it must know the path of every key, refuse a key given twice by that path, and stay bounded whatever the
 * file holds: aliases that contain themselves or multiply, and lists nested a thousand deep.
 */
import { isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node } from 'yaml';
import { emptyMap } from './defaults.js';
import { readPlainYaml } from './plain-yaml.js';
import { nowhere, Positions, type Path, type Spots } from './positions.js';
import { Problems, show } from './problem.js';
import { deepest, findExcess, tooDeep } from './yaml-bounds.js';

/** Values that aliases may add to what is written out. */
const mostFromAliases = 100_000;

export interface YamlSource {
  /** Maps are objects without a prototype. Undefined when there is nothing to work with. */
  readonly value: unknown;
  readonly problems: Problems;
}

export function readYaml(text: string, file: string): YamlSource {
  const problems = new Problems(new Positions(file, text));
  const spots = readPlainYaml(text) ?? readAnyYaml(text, problems);
  problems.positions.settle(spots);
  return { value: spots.value, problems };
}

/** The long way, for whatever is YAML; `value` is undefined when it is none. */
export function readAnyYaml(text: string, problems: Problems): Spots {
  const document = parse(text, problems);
  if (document === undefined) return { value: undefined, start: nowhere, inside: new Map() };
  const walk = new Walk(document, text, problems);
  const { value, offset } = walk.plain(document.contents, [], 0, nowhere);
  return { value, start: offset, inside: walk.inside };
}

function parse(text: string, problems: Problems): Document | undefined {
  const excess = findExcess(text);
  if (excess !== undefined) {
    problems.addAtOffset(excess.offset, excess.complaint);
    return undefined;
  }
  try {
    const document = parseDocument(text, { prettyErrors: false, uniqueKeys: false });
    const told = new Set<string>();
    for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
      const got = code === 'MULTIPLE_DOCS' ? 'several documents' : message.replace(/\s+/g, ' ');
      if (told.has(got) && code !== 'TAG_RESOLVE_FAILED') continue; // one open bracket is one slip
      told.add(got);
      problems.addAtOffset(pos[0], { must: 'be valid YAML', got, hint: hintAt(text, pos[0]) });
    }
    return document.errors.length === 0 ? document : undefined;
  } catch (error) {
    problems.addAtOffset(0, {
      must: 'be valid YAML',
      got: error instanceof Error ? error.message : 'a failure',
    });
    return undefined;
  }
}

/** The likeliest slips are at the start of their line; some are one line of megabytes. */
const longestLine = 1000;

/** Unquoted "[2001:db8::2]:8080" is a list with something behind it, ${NAME} in brackets a map: the likeliest slips. */
function hintAt(text: string, offset: number): string | undefined {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(start, Math.min(end === -1 ? text.length : end, start + longestLine));
  const endpoint = /(?:^|[\s,])(\[[0-9a-f:.]*:[0-9a-f:.]*\]:\d+)/i.exec(line)?.[1];
  if (endpoint !== undefined) return `write IPv6 in quotes: "${endpoint}"`;
  return /[[{].*\$\{/.test(line) ? 'within [ ] and { }, write what has ${…} in it in quotes' : undefined;
}

interface Read {
  readonly value: unknown;
  readonly offset: number;
}

class Walk {
  readonly inside = new Map<object, readonly number[]>();
  readonly #document: Document;
  readonly #text: string;
  readonly #problems: Problems;
  readonly #open = new Set<Node>();
  #fromAliases = 0;
  #insideAlias = 0;

  constructor(document: Document, text: string, problems: Problems) {
    this.#document = document;
    this.#text = text;
    this.#problems = problems;
  }

  /** `key`: the offset of the key that the node stands behind. */
  plain(node: Node | null, path: Path, depth: number, key: number): Read {
    // A key with nothing behind it: the parser puts the nothing after the colon, people look at the key.
    const isWritten = node?.range != null && node.range[1] > node.range[0];
    const offset = isWritten ? (node.range?.[0] ?? nowhere) : key;
    const read = (value: unknown): Read => ({ value, offset });
    if (node === null) return read(null);
    if (isScalar(node)) return read(node.value);
    if (isAlias(node)) return this.#alias(node.resolve(this.#document), offset, path, depth, key);
    if (depth === deepest) return this.#refuse(offset, path, tooDeep.must, 'more');
    this.#open.add(node);
    try {
      if (isSeq(node)) return read(this.#list(node.items as readonly (Node | null)[], path, depth));
      if (isMap(node)) return read(this.#map(node.items as readonly NodePair[], path, depth));
    } finally {
      this.#open.delete(node);
    }
    return read(undefined);
  }

  #list(items: readonly (Node | null)[], path: Path, depth: number): unknown {
    const read = items.map((item, index) => {
      if (this.#insideAlias > 0) this.#fromAliases += 1;
      return this.plain(item, [...path, index], depth + 1, nowhere);
    });
    const result = read.map(({ value }) => value);
    this.inside.set(
      result,
      read.map(({ offset }) => offset),
    );
    return result;
  }

  #map(pairs: readonly NodePair[], path: Path, depth: number): unknown {
    const result = emptyMap();
    const offsets = new Map<string, readonly number[]>();
    for (const { key, value } of pairs) {
      const name = this.#keyText(key);
      const child = [...path, name];
      const keyOffset = key?.range?.[0] ?? nowhere;
      if (this.#insideAlias > 0) this.#fromAliases += 1;
      if (name in result) {
        const complaint = { must: 'be given once', got: `${show(name)} again`, hint: 'remove one' };
        this.#problems.addAtOffset(Math.max(keyOffset, 0), complaint, child);
      } else {
        const read = this.plain(value, child, depth + 1, keyOffset);
        result[name] = read.value;
        offsets.set(name, [keyOffset, read.offset]);
      }
    }
    this.inside.set(
      result,
      Object.keys(result).flatMap((name) => offsets.get(name) ?? []),
    );
    return result;
  }

  #keyText(key: Node | null): string {
    if (isScalar(key)) return String(key.value);
    return this.#text.slice(...(key?.range ?? [0, 0]).slice(0, 2)) || 'null';
  }

  #alias(target: Node | undefined, offset: number, path: Path, depth: number, key: number): Read {
    if (target === undefined)
      return this.#refuse(offset, path, 'name an anchor above it', 'an unknown alias');
    if (this.#open.has(target))
      return this.#refuse(offset, path, 'not contain itself', 'an alias of what it is in');
    if (this.#fromAliases > mostFromAliases)
      return this.#refuse(offset, path, 'be smaller', 'too many values by aliases');
    this.#insideAlias += 1;
    try {
      return this.plain(target, path, depth, key);
    } finally {
      this.#insideAlias -= 1;
    }
  }

  #refuse(offset: number, path: Path, must: string, got: string): Read {
    this.#problems.addAtOffset(Math.max(offset, 0), { must, got }, path);
    return { value: undefined, offset };
  }
}

interface NodePair {
  readonly key: Node | null;
  readonly value: Node | null;
}
