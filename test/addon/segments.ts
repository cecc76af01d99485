// SPDX-License-Identifier: Apache-2.0
/** Bare IPv4 segments and datagrams with right checksums, for tests that need more than a SYN. */

export interface Endpoints {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

export interface Segment extends Endpoints {
  readonly flags: number;
  readonly seq?: number;
  readonly ack?: number;
}

export const tcpFlag = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

export function tcp({ flags, seq = 0, ack = 0, ...ends }: Segment): Uint8Array {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(ends.fromPort, 0);
  header.writeUInt16BE(ends.toPort, 2);
  header.writeUInt32BE(seq >>> 0, 4);
  header.writeUInt32BE(ack >>> 0, 8);
  header.set([0x50, flags, 0xfa, 0xf0], 12);
  return inIpv4(ends, 6, header, 16);
}

export function udp(ends: Endpoints, payload = 'hi'): Uint8Array {
  const datagram = Buffer.alloc(8 + payload.length);
  datagram.writeUInt16BE(ends.fromPort, 0);
  datagram.writeUInt16BE(ends.toPort, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  datagram.write(payload, 8);
  return inIpv4(ends, 17, datagram, 6);
}

/** Where an IPv4 packet goes, as text. */
export const destinationOf = (packet: Uint8Array): string => packet.subarray(16, 20).join('.');

function inIpv4({ from, to }: Endpoints, protocol: number, transport: Buffer, checkAt: number): Uint8Array {
  const header = Buffer.alloc(20);
  header.set([0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 63, protocol]);
  header.writeUInt16BE(20 + transport.length, 2);
  header.set(from.split('.').map(Number), 12);
  header.set(to.split('.').map(Number), 16);
  header.writeUInt16BE(checksum(header), 10);
  const pseudo = Buffer.from([...header.subarray(12, 20), 0, protocol, 0, transport.length]);
  transport.writeUInt16BE(checksum(Buffer.concat([pseudo, transport])), checkAt);
  return Buffer.concat([header, transport]);
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
