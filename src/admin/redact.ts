// SPDX-License-Identifier: Apache-2.0
/** A configuration for other eyes: keys, passwords and what checks send to prove who they are stay here. */

export const hidden = '(not shown)';

/**
 * Names of keys whose value is a secret, in the configuration or among the headers of a check. `key` is not one of them: it
 * names a file, and where it holds the key itself that is seen.
 */
const secretName =
  /^(?:password|token|secret|cookie|(?:proxy-)?authorization)$|[-_](?:key|password|token|secret)$/i;

const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

export function redacted(document: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(document).map(([name, value]) => [
      name,
      secretName.test(name) && typeof value === 'string' ? hidden : shownValue(value),
    ]),
  );
}

function shownValue(value: unknown): unknown {
  if (typeof value === 'string') return privateKey.test(value) ? hidden : value;
  if (Array.isArray(value)) return value.map(shownValue);
  if (typeof value === 'object' && value !== null) return redacted(value as Record<string, unknown>);
  return value;
}
