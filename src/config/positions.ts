// SPDX-License-Identifier: Apache-2.0
/**
 * Where in the file each key and value stands, so that a check made long after parsing can still point at it. Offsets
 * are kept beside the containers that hold the values, and a path is walked only when somebody asks: of a hundred thousand
 * servers nobody asks about most.
 */

export type Path = readonly (string | number)[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Offset of what the text does not have. */
export const nowhere = -1;

/** What a reader found: a document's values, and the offset of every one. */
export interface Spots {
  readonly value: unknown;
  /** Of the document's value itself. */
  readonly start: number;
  /** Of what a container holds, in the order of its keys: of a map key and value by turns, of a list the values. */
  readonly inside: ReadonlyMap<object, readonly number[]>;
}

const nothing: Spots = { value: undefined, start: nowhere, inside: new Map() };

/** Of a value that is not what the file says, because it stands for something else: what the file says. */
export interface Origin {
  readonly text: string;
  /** It stands for nothing, and that has been told. */
  readonly isBad: boolean;
}

interface Offsets {
  readonly key: number;
  readonly value: number;
}

export class Positions {
  #spots: Spots = nothing;
  #lineStarts: readonly number[] | undefined;
  readonly #origins = new Map<unknown, Map<string | number, Origin>>();

  constructor(
    readonly file: string,
    readonly text: string,
  ) {}

  /** Once, when the text has been read. */
  settle(spots: Spots): void {
    this.#spots = spots;
  }

  /** Whether the file itself has this path; a default has not. */
  has(path: Path): boolean {
    return this.#offsets(path) !== undefined;
  }

  /** The value of `key` in `container` was put in the place of a text. */
  cameFrom(container: object, key: string | number, origin: Origin): void {
    const inside = this.#origins.get(container) ?? new Map<string | number, Origin>();
    this.#origins.set(container, inside.set(key, origin));
  }

  originOf(path: Path): Origin | undefined {
    const key = path.at(-1);
    if (this.#origins.size === 0 || key === undefined) return undefined;
    let container = this.#spots.value;
    for (const step of path.slice(0, -1)) {
      if (typeof container !== 'object' || container === null) return undefined;
      container = (container as Readonly<Record<string | number, unknown>>)[step];
    }
    return this.#origins.get(container)?.get(key);
  }

  /** A path that is not in the file (a default, a missing key) is placed at what would hold it. */
  place(path: Path, at: 'value' | 'key' = 'value'): Place {
    for (let length = path.length; length >= 0; length -= 1) {
      const found = this.#offsets(path.slice(0, length));
      if (found === undefined) continue;
      const [first, second] = at === 'key' ? [found.key, found.value] : [found.value, found.key];
      const offset = first === nowhere ? second : first;
      if (offset !== nowhere) return this.placeOfOffset(offset);
    }
    return { line: 1, column: 1 };
  }

  placeOfOffset(offset: number): Place {
    this.#lineStarts ??= [0, ...Array.from(this.text.matchAll(/\n/g), ({ index }) => index + 1)];
    let [low, high] = [0, this.#lineStarts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }

  #offsets(path: Path): Offsets | undefined {
    let { value } = this.#spots;
    if (value === undefined) return undefined;
    let found: Offsets = { key: nowhere, value: this.#spots.start };
    for (const step of path) {
      if (typeof value !== 'object' || value === null) return undefined;
      const inside = this.#spots.inside.get(value);
      const isList = Array.isArray(value);
      const index = isList ? Number(step) : Object.keys(value).indexOf(String(step));
      const at = isList ? inside?.[index] : inside?.[2 * index + 1];
      if (index < 0 || at === undefined) return undefined;
      found = { key: isList ? nowhere : (inside?.[2 * index] ?? nowhere), value: at };
      value = (value as Readonly<Record<string | number, unknown>>)[step];
    }
    return found;
  }
}
