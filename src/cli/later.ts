// SPDX-License-Identifier: Apache-2.0
/** Commands that are planned but not here yet: refused by name, so that nobody takes them for typing mistakes. */
export const laterCommands: ReadonlySet<string> = new Set(['capture']);
