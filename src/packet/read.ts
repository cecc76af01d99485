// SPDX-License-Identifier: Apache-2.0
/** The little that tools, simulations and tests must know of a packet: between whom it is, and what it says of a connection. */
import { formatAddress, type Endpoint, type Protocol } from '../model/index.js';
import { protocolNumbers, tcpBits, type TcpFlag } from './wire.js';

const nameOf = new Map<number, Protocol>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]),
);
const flagNames = Object.keys(tcpBits) as readonly TcpFlag[];

/** What readPacket() finds in an IP packet. */
export interface PacketFacts {
  /** tcp, udp or sctp. */
  readonly protocol: Protocol;
  /** Where it comes from. */
  readonly source: Endpoint;
  /** Where it goes to. */
  readonly destination: Endpoint;
  /** It opens a connection: a SYN without ACK, or any datagram. */
  readonly opens: boolean;
  /** Of TCP, in the order of their bits from FIN on; empty for others. */
  readonly flags: readonly TcpFlag[];
  /** What TCP or UDP carry, a view of the packet; empty for others. */
  readonly payload: Uint8Array;
}

/** null for what has no ports to tell: ICMP, later fragments, other protocols, headers that are cut off. */
export function readPacket(packet: Uint8Array): PacketFacts | null {
  const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength);
  const version = (bytes[0] ?? 0) >> 4;
  const at = version === 4 ? ((bytes[0] ?? 0) & 15) * 4 : 40;
  if (bytes.length < at + 8 || (version !== 4 && version !== 6)) return null;
  const protocol = nameOf.get(bytes[version === 4 ? 9 : 6] ?? 0);
  if (protocol === undefined || (version === 4 && (bytes.readUInt16BE(6) & 0x1fff) !== 0)) return null;
  const [from, size] = version === 4 ? [12, 4] : [8, 16];
  const bits = protocol === 'tcp' ? (bytes[at + 13] ?? 0) : 0;
  return {
    protocol,
    source: { address: formatAddress(bytes.subarray(from, from + size)), port: bytes.readUInt16BE(at) },
    destination: {
      address: formatAddress(bytes.subarray(from + size, from + 2 * size)),
      port: bytes.readUInt16BE(at + 2),
    },
    opens: protocol !== 'tcp' || (bits & (tcpBits.syn | tcpBits.ack)) === tcpBits.syn,
    flags: flagNames.filter((flag) => (bits & tcpBits[flag]) !== 0),
    payload: payloadOf(protocol, bytes.subarray(at)),
  };
}

function payloadOf(protocol: Protocol, transport: Buffer): Uint8Array {
  if (protocol === 'sctp') return transport.subarray(transport.length);
  const header = protocol === 'udp' ? 8 : ((transport[12] ?? 0) >> 4) * 4;
  return transport.subarray(Math.min(Math.max(header, 8), transport.length));
}
