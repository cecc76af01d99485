// SPDX-License-Identifier: Apache-2.0
/** The few TCP segments a simulated connection needs: bare IPv4 headers with right checksums. */
export const flags = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;

export interface Ends {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

export interface Segment extends Ends {
  readonly flags: number;
  readonly seq?: number;
  readonly ack?: number;
}

const headerBytes = 20;

export function tcpSegment({
  from,
  fromPort,
  to,
  toPort,
  flags: bits,
  seq = 0,
  ack = 0,
}: Segment): Uint8Array {
  const packet = Buffer.alloc(2 * headerBytes);
  packet.set([0x45, 0, 0, packet.length, 0, 0, 0x40, 0, 64, 6]);
  packet.set(octets(from), 12);
  packet.set(octets(to), 16);
  packet.writeUInt16BE(checksum(packet.subarray(0, headerBytes)), 10);
  const tcp = packet.subarray(headerBytes);
  tcp.writeUInt16BE(fromPort, 0);
  tcp.writeUInt16BE(toPort, 2);
  tcp.writeUInt32BE(seq, 4);
  tcp.writeUInt32BE(ack, 8);
  tcp.set([0x50, bits, 0xff, 0xff], 12);
  const pseudo = Buffer.from([...packet.subarray(12, headerBytes), 0, 6, 0, tcp.length]);
  tcp.writeUInt16BE(checksum(Buffer.concat([pseudo, tcp])), 16);
  return packet;
}

export const destinationOf = (packet: Uint8Array): string => packet.subarray(16, 20).join('.');

const octets = (address: string): number[] => address.split('.').map(Number);

/** RFC 1071, of an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
