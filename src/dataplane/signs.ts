// SPDX-License-Identifier: Apache-2.0
/** Signs of trouble of many servers at once, cheaply: native/napi/signs.h says how. The only file that knows the columns. */

/** Totals of one server since the dataplane began. */
export interface ServerSigns {
  readonly connections: number;
  /** Handshakes and first replies, in time or late: each is a sign of life. */
  readonly answers: number;
  /** SYNs and INITs sent again while there was no answer. */
  readonly repeated: number;
  /** Handshakes answered with a RST or an ABORT. */
  readonly refused: number;
  /** Connections the server reset later than that. */
  readonly resets: number;
  /** ICMP destination unreachable about packets to it. */
  readonly unreachable: number;
}

/** The servers to look at, and how much of each has been seen. Made by `watchSigns`; `seen` is the dataplane's to change. */
export interface SignsWatch {
  readonly slots: Uint32Array;
  /** Packets. */
  readonly seen: Float64Array;
}

export const watchSigns = (slots: readonly number[]): SignsWatch => ({
  slots: Uint32Array.from(slots),
  seen: new Float64Array(slots.length),
});

const columns = 7;

/** Calls `take` for each row: the place in `slots`, and that server's signs. */
export function decodeSigns(rows: Float64Array, take: (place: number, signs: ServerSigns) => void): void {
  const column = (at: number): number => rows[at] ?? 0;
  for (let at = 0; at + columns <= rows.length; at += columns) {
    take(column(at), {
      connections: column(at + 1),
      answers: column(at + 2),
      repeated: column(at + 3),
      refused: column(at + 4),
      resets: column(at + 5),
      unreachable: column(at + 6),
    });
  }
}
