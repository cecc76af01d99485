// SPDX-License-Identifier: Apache-2.0
/**
 * A body as text, gone through once before it becomes values. JSON.parse cannot be interrupted, and what it takes grows with
 * the values and not with the bytes: 16 MiB of brackets hold everybody up for seconds. So what is nested deeper, or has
 * more values than any change, is refused before it, and long texts are gone through in steps.
 *
 * JSON lets a name stand twice in an object, and its readers differ over which one counts (RFC 8259 section 4): whoever looked
 * at a body on its way here may have seen another change than the one that would be made. So that is noticed as well.
 */
import { usage } from './refusal.js';

/** A change has lists in an operation in a list. */
export const maxDepth = 16;

/** Brackets that open and commas: more than the shortest operations in 16 MiB have. */
export const maxValues = 1_500_000;

/** Characters of a step: a fraction of a millisecond. */
const stepLength = 1 << 16;

const [quote, comma, openList, backslash, closeList, openMap, closeMap] = [
  0x22, 0x2c, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
];

/**
 * The first name that stands twice in an object; undefined: none does. Throws VSNAT_USAGE for what is not to be parsed. It
 * need not be JSON: where it is not, the answer means nothing.
 */
export function* scanJson(text: string): Generator<void, string | undefined, undefined> {
  /** Of the objects around, what names they have had; null is a list. */
  const open: (Set<string> | null)[] = [];
  let repeated: string | undefined;
  let isNameNext = false;
  let values = 0;
  let stepEnd = stepLength;
  for (let at = 0; at < text.length; at += 1) {
    if (at >= stepEnd) {
      yield;
      stepEnd = at + stepLength;
    }
    switch (text.charCodeAt(at)) {
      case openMap:
      case openList:
        if (open.length === maxDepth) throw usage('body', `be nested at most ${maxDepth} deep`);
        open.push(text.charCodeAt(at) === openMap ? new Set() : null);
        isNameNext = true;
        values += 1;
        break;
      case comma:
        isNameNext = true;
        values += 1;
        break;
      case closeMap:
      case closeList:
        open.pop();
        isNameNext = false;
        break;
      case quote: {
        const end = endOfString(text, at);
        const names = isNameNext ? open.at(-1) : null;
        if (names) {
          const name = decoded(text.slice(at, end + 1));
          if (names.has(name)) repeated ??= name;
          names.add(name);
        }
        isNameNext = false;
        at = end;
      }
    }
    if (values > maxValues) throw usage('body', `have at most ${maxValues} values`);
  }
  return repeated;
}

/** Of the string that begins at `start`: where its closing quote is, or the end of the text. */
function endOfString(text: string, start: number): number {
  let at = text.indexOf('"', start + 1);
  while (at >= 0 && isEscaped(text, at)) at = text.indexOf('"', at + 1);
  return at < 0 ? text.length : at;
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === backslash) first -= 1;
  return (at - first) % 2 === 1;
}

/** What a name says: `"\u0061"` is `"a"`. */
function decoded(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted;
  }
}
