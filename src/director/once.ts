// SPDX-License-Identifier: Apache-2.0

/** Asked at most once, and only if somebody wants to know. */
export function once<T>(ask: () => T): () => T {
  let answer: { readonly value: T } | undefined;
  return () => (answer ??= { value: ask() }).value;
}
