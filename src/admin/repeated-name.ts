// SPDX-License-Identifier: Apache-2.0
/**
 * JSON lets a name stand twice in an object, and its readers differ over which one counts (RFC 8259 section 4): whoever looked at
 * a body on its way here may have seen another change than the one that would be made. So such a body is refused.
 */

/** Strings whole, so that what looks like a bracket in one is none. */
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** The first name that stands twice in an object of this text, which is JSON; undefined: none does. */
export function repeatedName(json: string): string | undefined {
  /** Of the objects around, what names they have had; null is an array. */
  const open: (Set<string> | null)[] = [];
  let isNameNext = false;
  for (const [token] of json.matchAll(tokens)) {
    const names = open.at(-1);
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ',' && isNameNext && names) {
      const name = JSON.parse(token) as string;
      if (names.has(name)) return name;
      names.add(name);
    }
    isNameNext = token === '{' || token === ',';
  }
  return undefined;
}
