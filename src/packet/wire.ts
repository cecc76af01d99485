// SPDX-License-Identifier: Apache-2.0
/** Numbers of the headers that read.ts and build.ts share. */

/** RFC 9293 §3.1, from the lowest bit up. */
export const tcpBits = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;

/** A control bit of TCP. */
export type TcpFlag = keyof typeof tcpBits;

/** IANA protocol numbers. */
export const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const;
