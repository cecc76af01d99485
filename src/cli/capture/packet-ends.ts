// SPDX-License-Identifier: Apache-2.0
/**
 * Whose a captured packet is: the two ends of the connection it belongs to, by its own ports or by those that an ICMP error
 * quotes. Pure.
 */
import { formatAddress, type Endpoint } from '../../model/index.js';

export interface PacketEnds {
  /** icmp: it is about no connection. */
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** What it is itself: an ICMP error is of the protocol that it quotes. */
  readonly carrier: PacketEnds['protocol'];
  /** As tcpdump writes them; null: not TCP. */
  readonly flags: string | null;
  /** Port 0: there is none. */
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** What pieces of one datagram have in common; null: it is whole. */
  readonly datagram: string | null;
  /** A later piece: its ports are those of the first. */
  readonly isLaterPiece: boolean;
  /** What tells it from other packets, and stays the same wherever this host shows it again. */
  readonly identity: string;
}

const protocols: ReadonlyMap<number, PacketEnds['protocol']> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [58, 'icmp'],
  [132, 'sctp'],
]);

interface Header {
  readonly next: number;
  readonly addresses: readonly [source: Buffer, destination: Buffer];
  /** Where the transport header begins. */
  readonly at: number;
  readonly identification: number;
  readonly piece: 'none' | 'first' | 'later';
}

/** null: no IP packet, of another protocol, or cut off before its ports. */
export function endsOf(packet: Uint8Array): PacketEnds | null {
  const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  const header = headerOf(bytes);
  const protocol = protocols.get(header?.next ?? 255);
  if (header === null || protocol === undefined) return null;
  const { at, piece, addresses, identification, next } = header;
  const [from, to] = addresses;
  const names = `${next} ${from.toString('hex')} ${to.toString('hex')} ${identification}`;
  const common = {
    carrier: protocol,
    flags: protocol === 'tcp' && piece !== 'later' ? flagsOf(bytes[at + 13] ?? 0) : null,
    datagram: piece === 'none' ? null : names,
    isLaterPiece: piece === 'later',
    // Neither hop limit nor checksums: a checksum may not be complete yet where it is first seen.
    identity: `${names} ${bytes.subarray(at, at + (protocol === 'tcp' ? 16 : 6)).toString('hex')}`,
  };
  if (protocol === 'icmp' || piece === 'later') {
    const quoted = piece !== 'later' && quotes(next, bytes[at]) ? endsOf(bytes.subarray(at + 8)) : null;
    if (quoted !== null) return { ...quoted, ...common };
    return { ...common, protocol, source: endOf(from, 0), destination: endOf(to, 0) };
  }
  if (bytes.length < at + 4) return null;
  const [source, destination] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
  return { ...common, protocol, source: endOf(from, source), destination: endOf(to, destination) };
}

const flagsOf = (flags: number): string =>
  ['F', 'S', 'R', 'P', '.', 'U'].filter((_, bit) => flags & (1 << bit)).join('') || 'none';

const endOf = (address: Buffer, port: number): Endpoint => ({ address: formatAddress(address), port });

/** ICMP errors (RFC 792, RFC 4443): those carry the beginning of the packet they are about. */
const quotes = (protocol: number, type = 0): boolean =>
  protocol === 1 ? [3, 4, 5, 11, 12].includes(type) : type >= 1 && type <= 4;

function headerOf(bytes: Buffer): Header | null {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4 && bytes.length >= 20) {
    const fragment = bytes.readUInt16BE(6);
    const isLater = (fragment & 0x1fff) !== 0;
    return {
      next: bytes.readUInt8(9),
      addresses: [bytes.subarray(12, 16), bytes.subarray(16, 20)],
      at: (bytes.readUInt8(0) & 15) * 4,
      identification: bytes.readUInt16BE(4),
      piece: isLater ? 'later' : (fragment & 0x2000) !== 0 ? 'first' : 'none',
    };
  }
  return version === 6 && bytes.length >= 40 ? header6Of(bytes) : null;
}

/** Past the extension headers that say how long they are (RFC 8200 §4). */
function header6Of(bytes: Buffer): Header {
  const addresses = [bytes.subarray(8, 24), bytes.subarray(24, 40)] as const;
  let [next, at, identification] = [bytes.readUInt8(6), 40, 0];
  let piece: Header['piece'] = 'none';
  while ([0, 43, 44, 60].includes(next) && at + 8 <= bytes.length) {
    const length = next === 44 ? 8 : 8 * (bytes.readUInt8(at + 1) + 1);
    if (next === 44) {
      identification = bytes.readUInt32BE(at + 4);
      piece = bytes.readUInt16BE(at + 2) >> 3 === 0 ? 'first' : 'later';
    }
    next = bytes.readUInt8(at);
    at += length;
    if (piece === 'later') break;
  }
  return { next, addresses, at, identification, piece };
}
