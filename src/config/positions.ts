// SPDX-License-Identifier: Apache-2.0
/** Where in the file each key and value stands, so that a check made long after parsing can still point at it. */
import type { LineCounter } from 'yaml';

export type Path = readonly (string | number)[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

interface Offsets {
  readonly key: number | undefined;
  readonly value: number | undefined;
}

export class Positions {
  readonly #offsets = new Map<string, Offsets>();
  readonly #lines: LineCounter;

  constructor(
    readonly file: string,
    lines: LineCounter,
  ) {
    this.#lines = lines;
  }

  record(path: Path, offsets: Offsets): void {
    this.#offsets.set(JSON.stringify(path), offsets);
  }

  /** Whether the file itself has this path; a default has not. */
  has(path: Path): boolean {
    return this.#offsets.has(JSON.stringify(path));
  }

  /** A path that is not in the file (a default, a missing key) is placed at what would hold it. */
  place(path: Path, at: 'value' | 'key' = 'value'): Place {
    for (let length = path.length; length >= 0; length -= 1) {
      const found = this.#offsets.get(JSON.stringify(path.slice(0, length)));
      const offset = at === 'key' ? (found?.key ?? found?.value) : (found?.value ?? found?.key);
      if (offset !== undefined) return this.placeOfOffset(offset);
    }
    return { line: 1, column: 1 };
  }

  placeOfOffset(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}
