// SPDX-License-Identifier: Apache-2.0
/** "did you mean": the known word nearest to a misspelt one, when it is near enough to be more than a guess. */

export function didYouMean(word: string, known: readonly string[]): string | undefined {
  if (word.length > 40) return undefined;
  const tolerance = Math.max(1, Math.floor(word.length / 3));
  const wanted = word.toLowerCase();
  const [nearest] = known
    .filter(({ length }) => Math.abs(length - word.length) <= tolerance) // each letter more is an edit
    .map((candidate) => ({ candidate, distance: editDistance(wanted, candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= tolerance)
    .sort((a, b) => a.distance - b.distance);
  return nearest === undefined ? undefined : `did you mean "${nearest.candidate}"?`;
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). Row by row: a file that was
 * made by a program has its slip a hundred thousand times, and each is compared with a dozen words.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last: number[] = [];
  let current = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    [beforeLast, last, current] = [last, current, beforeLast];
    let left = (current[0] = row);
    for (let column = 1; column <= b.length; column += 1) {
      const aboveLeft = last[column - 1] ?? 0;
      let cost = Math.min(
        left + 1,
        (last[column] ?? 0) + 1,
        aboveLeft + (a.charCodeAt(row - 1) === b.charCodeAt(column - 1) ? 0 : 1),
      );
      if (
        row > 1 &&
        column > 1 &&
        a.charCodeAt(row - 1) === b.charCodeAt(column - 2) &&
        a.charCodeAt(row - 2) === b.charCodeAt(column - 1)
      )
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      current[column] = left = cost;
    }
  }
  return current[b.length] ?? 0;
}
