// SPDX-License-Identifier: Apache-2.0
/**
 * An answer as JSON, piece by piece. What can be gone through and is no array is written as one, an item at a time, so that
 * the rows of a long answer exist one after the other, and whoever writes them can pause between any two.
 */
import { inertJson } from './inert-json.js';

export function* jsonPieces(value: unknown): Generator<string, void, undefined> {
  if (isIterable(value) && !Array.isArray(value)) yield* listPieces(value);
  else if (isLong(value)) yield* objectPieces(value);
  else yield inertJson(JSON.stringify(value));
}

function* listPieces(items: Iterable<unknown>): Generator<string, void, undefined> {
  let before = '[';
  for (const item of items) {
    let first = before;
    for (const piece of jsonPieces(item)) {
      yield first + piece;
      first = '';
    }
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}

function* objectPieces(object: Readonly<Record<string, unknown>>): Generator<string, void, undefined> {
  let before = '{';
  for (const name of Object.keys(object)) {
    const value = object[name]; // read in its turn: it may depend on what was written before it
    if (value === undefined) continue;
    before += `${inertJson(JSON.stringify(name))}:`;
    for (const piece of jsonPieces(value)) {
      yield before + piece;
      before = '';
    }
    before = ',';
  }
  yield before === '{' ? '{}' : '}';
}

/** An object that holds, at whatever depth of objects, what is written item by item. */
function isLong(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || 'toJSON' in value) return false;
  return Object.values(value).some((one) => (isIterable(one) && !Array.isArray(one)) || isLong(one));
}

const isIterable = (value: unknown): value is Iterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.iterator in value;
