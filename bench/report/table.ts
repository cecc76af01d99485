// SPDX-License-Identifier: Apache-2.0
/** A table of Markdown: the first row, and those below it. */
export const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
