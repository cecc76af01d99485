// SPDX-License-Identifier: Apache-2.0
/**
 * The schema beside a value: what a key may hold, and its default. Looked up when a key is read, and not filled into
 * the document beforehand: of a hundred thousand servers in short form nobody needs a hundred thousand maps.
 */
import type { SchemaNode } from './schema.js';

export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function Bare(this: unknown): void {
  // has nothing yet
}
Bare.prototype = Object.create(null) as object;

/**
 * A map that has no key but those it is given, `constructor` and `__proto__` included. What Object.create(null) makes
 * is a hash table to V8, of three times the size.
 */
export const emptyMap = (): Record<string, unknown> =>
  new (Bare as unknown as new () => Record<string, unknown>)();

interface Inside {
  readonly properties: Readonly<Record<string, SchemaNode>>;
  readonly items: SchemaNode | undefined;
}

const known = new WeakMap<SchemaNode, Inside>();

/** What a map or a list of this schema has inside; of a union, its map and its list. */
export function insideOf(schema: SchemaNode | undefined): Inside {
  if (schema === undefined) return nothing;
  let inside = known.get(schema);
  if (inside === undefined) {
    const branches = [schema, ...(schema.anyOf ?? [])];
    inside = {
      properties: branches.find(({ properties }) => properties !== undefined)?.properties ?? {},
      items: branches.find(({ items }) => items !== undefined)?.items,
    };
    known.set(schema, inside);
  }
  return inside;
}

const nothing: Inside = { properties: {}, items: undefined };
