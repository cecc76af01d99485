// SPDX-License-Identifier: Apache-2.0
/**
 * The committed form of a topic: what the kernel did, to be read.
 *
 *   # kernel: Linux …
 *
 *   == A client that closes first, over IPv4
 *   > ipvsadm -A -t vip:80 -s rr
 *   …
 *
 *   == A packet that arrives with TTL 1
 *   differs: hop-limit-answer
 *   > client sends …
 *   -    client gets …       the kernel
 *   +    client gets …       vsnat
 *
 * Only a scenario that says `differs` has lines that begin with - or +, and then vsnat must do exactly that.
 */
export interface RecordedScenario {
  readonly name: string;
  readonly differs: string | null;
  readonly kernel: readonly string[];
  readonly vsnat: readonly string[];
}

export interface TraceFile {
  readonly kernel: string;
  readonly scenarios: readonly RecordedScenario[];
}

export function formatTrace({ kernel, scenarios }: TraceFile): string {
  const blocks = scenarios.map(({ name, differs, kernel: left, vsnat: right }) =>
    [
      `== ${name}`,
      ...(differs === null ? [] : [`differs: ${differs}`]),
      ...merge(left, right).map(({ side, line }) => (side === ' ' ? line : side + line)),
    ].join('\n'),
  );
  return `# kernel: ${kernel}\n\n${blocks.join('\n\n')}\n`;
}

export function parseTrace(text: string): TraceFile {
  const kernel = /^# kernel: (.*)$/m.exec(text)?.[1] ?? 'unknown';
  const scenarios = text
    .split(/^== /m)
    .slice(1)
    .map((block): RecordedScenario => {
      const [name = '', ...rest] = block.trimEnd().split('\n');
      const differs = /^differs: (\S+)$/.exec(rest[0] ?? '')?.[1] ?? null;
      const lines = differs === null ? rest : rest.slice(1);
      const side = (other: string, own: string): string[] =>
        lines
          .filter((line) => !line.startsWith(other))
          .map((line) => (line.startsWith(own) ? line.slice(1) : line));
      return { name, differs, kernel: side('+', '-'), vsnat: side('-', '+') };
    });
  return { kernel, scenarios };
}

export interface MergedLine {
  readonly side: ' ' | '-' | '+';
  readonly line: string;
}

/** A line diff by the longest common subsequence: quadratic, on a few hundred lines. */
export function merge(left: readonly string[], right: readonly string[]): readonly MergedLine[] {
  const longest = Array.from({ length: left.length + 1 }, () => new Uint32Array(right.length + 1));
  const at = (i: number, j: number): number => longest[i]?.[j] ?? 0;
  for (let i = left.length - 1; i >= 0; i -= 1) {
    const row = longest[i];
    for (let j = right.length - 1; row !== undefined && j >= 0; j -= 1)
      row[j] = left[i] === right[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const merged: MergedLine[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const [mine, theirs] = [left[i], right[j]];
    if (mine !== undefined && mine === theirs) {
      merged.push({ side: ' ', line: mine });
      i += 1;
      j += 1;
    } else if (mine !== undefined && (theirs === undefined || at(i + 1, j) >= at(i, j + 1))) {
      merged.push({ side: '-', line: mine });
      i += 1;
    } else if (theirs !== undefined) {
      merged.push({ side: '+', line: theirs });
      j += 1;
    }
  }
  return merged;
}

/** A difference as a failure message: the lines around the first departure, then all of them. */
export function showDifference(kernel: readonly string[], vsnat: readonly string[]): string {
  const merged = merge(kernel, vsnat);
  const near = (index: number): boolean =>
    merged.slice(Math.max(0, index - 4), index + 5).some(({ side }) => side !== ' ');
  return merged
    .filter((_, index) => near(index))
    .map(({ side, line }) => `${side} ${line}`)
    .join('\n');
}
