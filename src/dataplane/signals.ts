// SPDX-License-Identifier: Apache-2.0
/**
 * What the packet path notices about a real server while it forwards, without asking the server anything. Everything
 * here only grows, so two readings subtract. docs/metrics.md says what each number counts and which equations hold.
 */

/** Upper ends of a histogram's buckets, in seconds; one more bucket takes what is slower. native/nat/signals.h has the same. */
export const latencyBounds: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Measured times by size; the buckets' upper ends are latencyBounds. */
export interface Histogram {
  /** By bucket, not added up; one more than there are bounds. */
  readonly counts: readonly number[];
  /** Of all samples. */
  readonly count: number;
  /** Seconds of all samples together: the difference of two readings over that of `count` is the mean between them. */
  readonly sum: number;
}

/** What packets tell of a server in passing. */
export interface ServerSignals {
  /** TCP: SYN to SYN-ACK. SCTP: INIT to INIT ACK. As seen here, so without the client's own network. */
  readonly handshake: Histogram;
  /** TCP: first payload of the client to the first payload of the server behind it. UDP: first datagram to first reply. */
  readonly firstByte: Histogram;
  /** Answered after the client had repeated itself: nobody knows which copy was answered (Karn), so not in the histogram. */
  readonly handshakesAmbiguous: number;
  readonly firstBytesAmbiguous: number;
  /** SYNs and INITs sent again while there was no answer: the earliest sign of a server that is gone. */
  readonly synRepeated: number;
  /** Connections whose time ran out without any answer to their SYN or INIT. */
  readonly synUnanswered: number;
  /** The server answered a SYN with RST, or an INIT with ABORT. */
  readonly handshakesRefused: number;
  /** Connections the server reset (or aborted) later than that. */
  readonly resets: number;
  /** ICMP destination unreachable about packets to this server, from itself or from a router. */
  readonly unreachable: number;
  /** TCP segments sent again: payload, SYN-ACKs, FINs. in: from clients; out: from the server. */
  readonly retransmissionsIn: number;
  readonly retransmissionsOut: number;
}

export const emptyHistogram: Histogram = {
  counts: Array<number>(latencyBounds.length + 1).fill(0),
  count: 0,
  sum: 0,
};

export const noSignals: ServerSignals = {
  handshake: emptyHistogram,
  firstByte: emptyHistogram,
  handshakesAmbiguous: 0,
  firstBytesAmbiguous: 0,
  synRepeated: 0,
  synUnanswered: 0,
  handshakesRefused: 0,
  resets: 0,
  unreachable: 0,
  retransmissionsIn: 0,
  retransmissionsOut: 0,
};

/** What was noticed between two readings: `now` without what `then` had. */
export function signalsSince(now: ServerSignals, then: ServerSignals): ServerSignals {
  return combine(now, then, (a, b) => a - b);
}

type Operation = (a: number, b: number) => number;

function combine(a: ServerSignals, b: ServerSignals, with_: Operation): ServerSignals {
  return {
    handshake: combineHistograms(a.handshake, b.handshake, with_),
    firstByte: combineHistograms(a.firstByte, b.firstByte, with_),
    handshakesAmbiguous: with_(a.handshakesAmbiguous, b.handshakesAmbiguous),
    firstBytesAmbiguous: with_(a.firstBytesAmbiguous, b.firstBytesAmbiguous),
    synRepeated: with_(a.synRepeated, b.synRepeated),
    synUnanswered: with_(a.synUnanswered, b.synUnanswered),
    handshakesRefused: with_(a.handshakesRefused, b.handshakesRefused),
    resets: with_(a.resets, b.resets),
    unreachable: with_(a.unreachable, b.unreachable),
    retransmissionsIn: with_(a.retransmissionsIn, b.retransmissionsIn),
    retransmissionsOut: with_(a.retransmissionsOut, b.retransmissionsOut),
  };
}

const combineHistograms = (a: Histogram, b: Histogram, with_: Operation): Histogram => ({
  counts: a.counts.map((count, bucket) => with_(count, b.counts[bucket] ?? 0)),
  count: with_(a.count, b.count),
  sum: with_(a.sum, b.sum),
});
