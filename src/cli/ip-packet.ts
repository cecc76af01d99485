// SPDX-License-Identifier: Apache-2.0
/** The little that `explain` must know of packets: whose a captured one is, and what a first one looks like. */
import type { Tuple } from '../director/explain.js';
import { addressBytes, formatAddress } from '../model/index.js';

const protocols = { tcp: 6, udp: 17, sctp: 132 } as const;
const nameOf = new Map<number, Tuple['protocol']>(
  Object.entries(protocols).map(([name, number]) => [number, name as Tuple['protocol']]),
);
const tcpSyn = 2;
const tcpAck = 16;

export interface PacketFacts {
  readonly protocol: Tuple['protocol'];
  readonly source: Tuple['client'];
  readonly destination: Tuple['to'];
  /** It opens a connection: a SYN, or any datagram. */
  readonly opens: boolean;
}

/** null for what has no ports to tell: ICMP, later fragments, other protocols, headers that are cut off. */
export function factsOf(packet: Uint8Array): PacketFacts | null {
  const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  const version = (bytes[0] ?? 0) >> 4;
  const at = version === 4 ? ((bytes[0] ?? 0) & 15) * 4 : 40;
  if (bytes.length < at + 8 || (version !== 4 && version !== 6)) return null;
  const protocol = nameOf.get(bytes[version === 4 ? 9 : 6] ?? 0);
  if (protocol === undefined || (version === 4 && (bytes.readUInt16BE(6) & 0x1fff) !== 0)) return null;
  const [from, size] = version === 4 ? [12, 4] : [8, 16];
  const flags = protocol === 'tcp' ? (bytes[at + 13] ?? 0) : 0;
  return {
    protocol,
    source: { address: formatAddress(bytes.subarray(from, from + size)), port: bytes.readUInt16BE(at) },
    destination: {
      address: formatAddress(bytes.subarray(from + size, from + 2 * size)),
      port: bytes.readUInt16BE(at + 2),
    },
    opens: protocol !== 'tcp' || (flags & (tcpSyn | tcpAck)) === tcpSyn,
  };
}

/** A SYN, or an empty datagram, with right checksums; null for SCTP, whose checksum is another matter. */
export function firstPacket({ protocol, client, to }: Tuple): Uint8Array | null {
  if (protocol === 'sctp') return null;
  const transport = Buffer.alloc(protocol === 'tcp' ? 20 : 8);
  transport.writeUInt16BE(client.port, 0);
  transport.writeUInt16BE(to.port, 2);
  if (protocol === 'tcp') transport.set([0x50, tcpSyn, 0xff, 0xff], 12);
  else transport.writeUInt16BE(8, 4);
  const [from, dest] = [addressBytes(client.address), addressBytes(to.address)];
  const number = protocols[protocol];
  const pseudo = Buffer.from([...from, ...dest, 0, number, 0, transport.length]);
  const sum = checksum(Buffer.concat([pseudo, transport]));
  transport.writeUInt16BE(protocol === 'udp' && sum === 0 ? 0xffff : sum, protocol === 'tcp' ? 16 : 6);
  const header = Buffer.alloc(from.length === 4 ? 20 : 40);
  if (from.length === 4) {
    header.set([0x45, 0, 0, header.length + transport.length, 0, 1, 0x40, 0, 64, number]);
    header.set([...from, ...dest], 12);
    header.writeUInt16BE(checksum(header), 10);
  } else {
    header.set([0x60, 0, 0, 0, 0, transport.length, number, 64]);
    header.set([...from, ...dest], 8);
  }
  return Buffer.concat([header, transport]);
}

/** RFC 1071, over an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
