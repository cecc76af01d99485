// SPDX-License-Identifier: Apache-2.0
/** Small packets with right checksums, for simulations and tests: what a client or a server would send. */
import { VsnatError } from '../errors.js';
import { addressBytes, endpoint, familyOf, type Endpoint, type Protocol } from '../model/index.js';
import { protocolNumbers, tcpBits, type TcpFlag } from './wire.js';

/** What a TCP segment says beside its ports. */
export interface TcpOptions {
  /** `['syn']` when left out: the first of a connection. */
  readonly flags?: readonly TcpFlag[];
  /** Sequence and acknowledgment number, 0..2^32-1; 0 when left out. */
  readonly seq?: number;
  readonly ack?: number;
  /** Nothing when left out. */
  readonly payload?: Uint8Array;
}

const noBytes = new Uint8Array();
const ipv4Bytes = 20;
const ipv6Bytes = 40;
const tcpBytes = 20;
const udpBytes = 8;
/** Both have 16 bits for a length, IPv4 for the whole packet and IPv6 for what follows its header. */
const mostBytes = 65_535;

/**
 * A whole IP packet with a TCP segment in it, IPv4 or IPv6 as the endpoints are:
 * `tcpPacket('198.51.100.7:40000', '192.0.2.10:80')` is a SYN. Throws VSNAT_USAGE.
 */
export function tcpPacket(
  from: string | Endpoint,
  to: string | Endpoint,
  { flags = ['syn'], seq = 0, ack = 0, payload = noBytes }: TcpOptions = {},
): Uint8Array {
  const segment = Buffer.alloc(tcpBytes + payload.length);
  segment.writeUInt32BE(seq >>> 0, 4); // they go round
  segment.writeUInt32BE(ack >>> 0, 8);
  const bits = flags.reduce((sum, flag) => sum | tcpBits[flag], 0);
  segment.set([(tcpBytes / 4) << 4, bits, 0xff, 0xff], 12);
  segment.set(payload, tcpBytes);
  return packetOf('tcp', from, to, segment, 16);
}

/** A whole IP packet with a UDP datagram in it. Throws VSNAT_USAGE. */
export function udpPacket(
  from: string | Endpoint,
  to: string | Endpoint,
  payload: Uint8Array = noBytes,
): Uint8Array {
  const datagram = Buffer.alloc(udpBytes + payload.length);
  if (datagram.length <= mostBytes) datagram.writeUInt16BE(datagram.length, 4);
  datagram.set(payload, udpBytes);
  return packetOf('udp', from, to, datagram, 6);
}

/** What opens a connection: a SYN, or an empty datagram; null for SCTP, whose checksum is another matter. */
export function firstPacket({
  protocol,
  client,
  to,
}: {
  readonly protocol: Protocol;
  readonly client: Endpoint;
  readonly to: Endpoint;
}): Uint8Array | null {
  if (protocol === 'sctp') return null;
  return protocol === 'tcp' ? tcpPacket(client, to) : udpPacket(client, to);
}

/** Fills in ports and checksum of `transport`, and puts an IP header before it. */
function packetOf(
  protocol: 'tcp' | 'udp',
  from: string | Endpoint,
  to: string | Endpoint,
  transport: Buffer,
  checksumAt: number,
): Uint8Array {
  const [source, destination] = [endpoint(from), endpoint(to)];
  if (familyOf(source.address) !== familyOf(destination.address))
    throw usage(
      `must be between addresses of one family, got ${source.address} and ${destination.address}; write both as IPv4 or both as IPv6`,
    );
  const [fromBytes, toBytes] = [addressBytes(source.address), addressBytes(destination.address)];
  const isIpv4 = fromBytes.length === 4;
  if (transport.length + (isIpv4 ? ipv4Bytes : 0) > mostBytes)
    throw usage(`must fit into one IP packet, got ${transport.length} bytes; send less`);
  transport.writeUInt16BE(source.port, 0);
  transport.writeUInt16BE(destination.port, 2);
  const number = protocolNumbers[protocol];
  const pseudo = [...fromBytes, ...toBytes, 0, number, transport.length >> 8, transport.length & 0xff];
  const sum = checksum(Buffer.concat([Buffer.from(pseudo), transport]));
  // RFC 768: a sum of zero is sent as ones, for zero says that there is none.
  transport.writeUInt16BE(protocol === 'udp' && sum === 0 ? 0xffff : sum, checksumAt);
  const header = isIpv4
    ? ipv4Header(number, fromBytes, toBytes, ipv4Bytes + transport.length)
    : ipv6Header(number, fromBytes, toBytes, transport.length);
  return Buffer.concat([header, transport]);
}

function ipv4Header(protocol: number, from: Uint8Array, to: Uint8Array, total: number): Buffer {
  const header = Buffer.alloc(ipv4Bytes);
  header.set([0x45, 0, total >> 8, total & 0xff, 0, 1, 0x40, 0, 64, protocol]);
  header.set(from, 12);
  header.set(to, 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function ipv6Header(protocol: number, from: Uint8Array, to: Uint8Array, length: number): Buffer {
  const header = Buffer.alloc(ipv6Bytes);
  header.set([0x60, 0, 0, 0, length >> 8, length & 0xff, protocol, 64]);
  header.set(from, 8);
  header.set(to, 24);
  return header;
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const usage = (problem: string): VsnatError => new VsnatError('VSNAT_USAGE', `packet: ${problem}`);
