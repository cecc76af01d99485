// SPDX-License-Identifier: Apache-2.0
/**
 * YAML text to plain values and their positions. The library parses; the walk from its tree to plain values is ours,
 * because it must know the path of every key, refuse a key given twice by that path, and stay bounded whatever the
 * file holds: aliases that contain themselves or multiply, and lists nested a thousand deep.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { Positions, type Path } from './positions.js';
import { Problems, show } from './problem.js';

/** The configuration is 6 levels deep. */
const deepest = 32;

/** Values that aliases may add to what is written out. */
const mostFromAliases = 100_000;

export interface YamlSource {
  /** Maps are objects without a prototype. Undefined when there is nothing to work with. */
  readonly value: unknown;
  readonly problems: Problems;
}

export function readYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter();
  const problems = new Problems(new Positions(file, lines));
  const document = parse(text, lines, problems);
  if (document === undefined) return { value: undefined, problems };
  const value = new Walk(document, text, problems).plain(document.contents, [], 0);
  return { value, problems };
}

function parse(text: string, lines: LineCounter, problems: Problems): Document | undefined {
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    const told = new Set<string>();
    for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
      const got = code === 'MULTIPLE_DOCS' ? 'several documents' : message.replace(/\s+/g, ' ');
      if (told.has(got) && code !== 'TAG_RESOLVE_FAILED') continue; // one open bracket is one slip
      told.add(got);
      problems.addAtOffset(pos[0], { must: 'be valid YAML', got, hint: hintAt(text, pos[0]) });
    }
    return document.errors.length === 0 ? document : undefined;
  } catch (error) {
    // The library recurses into nested collections and may run out of stack.
    problems.addAtOffset(0, {
      must: 'be valid YAML',
      got: error instanceof Error ? error.message : 'a failure',
    });
    return undefined;
  }
}

/** Unquoted "[2001:db8::2]:8080" is a YAML list with something behind it: the likeliest slip with IPv6. */
function hintAt(text: string, offset: number): string | undefined {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(start, end === -1 ? undefined : end);
  const endpoint = /(?:^|[\s,])(\[[0-9a-f:.]*:[0-9a-f:.]*\]:\d+)/i.exec(line)?.[1];
  return endpoint === undefined ? undefined : `write IPv6 in quotes: "${endpoint}"`;
}

class Walk {
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

  plain(node: Node | null, path: Path, depth: number, key?: number): unknown {
    // A key with nothing behind it: the parser puts the nothing after the colon, people look at the key.
    const isWritten = node?.range != null && node.range[1] > node.range[0];
    this.#problems.positions.record(path, { key, value: isWritten ? node.range?.[0] : key });
    if (node === null) return null;
    if (isScalar(node)) return node.value;
    if (isAlias(node)) return this.#alias(node.resolve(this.#document), path, depth, key);
    if (depth === deepest) return this.#refuse(path, 'be nested at most 32 deep', 'more');
    this.#open.add(node);
    try {
      if (isSeq(node))
        return node.items.map((item, index) => this.#item(item as Node | null, [...path, index], depth));
      if (isMap(node)) return this.#map(node.items as readonly NodePair[], path, depth);
    } finally {
      this.#open.delete(node);
    }
    return undefined;
  }

  #item(node: Node | null, path: Path, depth: number): unknown {
    if (this.#insideAlias > 0) this.#fromAliases += 1;
    return this.plain(node, path, depth + 1);
  }

  #map(pairs: readonly NodePair[], path: Path, depth: number): unknown {
    const result = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of pairs) {
      const name = this.#keyText(key);
      const child = [...path, name];
      const keyOffset = key?.range?.[0];
      if (this.#insideAlias > 0) this.#fromAliases += 1;
      if (name in result) {
        const complaint = { must: 'be given once', got: `${show(name)} again`, hint: 'remove one' };
        this.#problems.addAtOffset(keyOffset ?? 0, complaint, child);
      } else {
        result[name] = this.plain(value, child, depth + 1, keyOffset);
      }
    }
    return result;
  }

  #keyText(key: Node | null): string {
    if (isScalar(key)) return String(key.value);
    return this.#text.slice(...(key?.range ?? [0, 0]).slice(0, 2)) || 'null';
  }

  #alias(target: Node | undefined, path: Path, depth: number, key: number | undefined): unknown {
    if (target === undefined) return this.#refuse(path, 'name an anchor above it', 'an unknown alias');
    if (this.#open.has(target)) return this.#refuse(path, 'not contain itself', 'an alias of what it is in');
    if (this.#fromAliases > mostFromAliases)
      return this.#refuse(path, 'be smaller', 'too many values by aliases');
    this.#insideAlias += 1;
    try {
      return this.plain(target, path, depth, key);
    } finally {
      this.#insideAlias -= 1;
    }
  }

  #refuse(path: Path, must: string, got: string): undefined {
    this.#problems.add(path, { must, got });
    return undefined;
  }
}

interface NodePair {
  readonly key: Node | null;
  readonly value: Node | null;
}
