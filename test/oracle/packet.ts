// SPDX-License-Identifier: Apache-2.0
/** Composes the packets a scenario sends, good or broken: every field can be given, and what is not given is right. */
import { addressBytes, crc32c, protocols, pseudoHeader, sum } from './bytes.js';
import type { Names } from './names.js';

export interface IpFields {
  readonly ttl?: number;
  readonly tos?: number;
  readonly df?: boolean;
  readonly mf?: boolean;
  /** In bytes, a multiple of 8. */
  readonly offset?: number;
  readonly id?: number;
  /** IPv4 options as hex, a multiple of 4 bytes. */
  readonly options?: string;
  /** IPv6 extension headers in order: their number and their bytes behind the next-header byte, as hex. */
  readonly extensions?: readonly { readonly header: number; readonly body: string }[];
  readonly checksum?: 'ok' | 'bad';
  /** Overrides the length field. */
  readonly length?: number;
  /** Bytes behind the datagram: Ethernet padding. */
  readonly trailer?: string;
}

interface Common {
  /** `client:40000`, or `client` where there is no port; see names.ts. */
  readonly from: string;
  readonly to: string;
  readonly ip?: IpFields;
  readonly checksum?: 'ok' | 'bad' | 'none';
}

export interface TcpPacket extends Common {
  readonly kind: 'tcp';
  /** Of S A F R P U E C, in any order. */
  readonly flags: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly options?: string;
  readonly data?: string | Buffer;
  /** Data offset in words, when it is to be wrong. */
  readonly dataOffset?: number;
}

export interface UdpPacket extends Common {
  readonly kind: 'udp';
  readonly data?: string | Buffer;
  readonly length?: number;
}

export interface IcmpPacket extends Common {
  readonly kind: 'icmp';
  readonly type: number;
  readonly code?: number;
  /** The second word: identifier and sequence, or the MTU. */
  readonly rest?: number;
  readonly data?: string | Buffer;
}

export interface SctpPacket extends Common {
  readonly kind: 'sctp';
  /** Names of `chunkTypes`, or numbers. */
  readonly chunks: readonly (ChunkName | number)[];
  readonly tag?: number;
  readonly data?: string | Buffer;
}

export interface OtherPacket extends Common {
  readonly kind: 'other';
  readonly protocol: number;
  readonly data: string | Buffer;
}

export type Packet = TcpPacket | UdpPacket | IcmpPacket | SctpPacket | OtherPacket;

/** RFC 9260 section 3.2. */
export const chunkTypes = {
  DATA: 0,
  INIT: 1,
  'INIT-ACK': 2,
  SACK: 3,
  HEARTBEAT: 4,
  'HEARTBEAT-ACK': 5,
  ABORT: 6,
  SHUTDOWN: 7,
  'SHUTDOWN-ACK': 8,
  ERROR: 9,
  'COOKIE-ECHO': 10,
  'COOKIE-ACK': 11,
  'SHUTDOWN-COMPLETE': 14,
} as const;
export type ChunkName = keyof typeof chunkTypes;

const flagBits = { F: 1, S: 2, R: 4, P: 8, A: 16, U: 32, E: 64, C: 128 } as const;
export const flagNames = Object.keys(flagBits) as readonly (keyof typeof flagBits)[];
export const flagBit = (name: keyof typeof flagBits): number => flagBits[name];

const bytesOf = (data: string | Buffer | undefined): Buffer => Buffer.from(data ?? '');
const hex = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'hex');

function split(endpoint: string, names: Names): { readonly address: Buffer; readonly port: number } {
  const match = /^(.*?)(?::(\d+))?$/.exec(endpoint);
  const host = endpoint.split(':').length > 2 ? endpoint.replace(/^\[|\](:\d+)?$/g, '') : (match?.[1] ?? '');
  const port = Number(/(?:^[^:]*|\]):(\d+)$/.exec(endpoint)?.[1] ?? 0);
  return { address: addressBytes(names.address(host)), port };
}

/** An IP packet, without Ethernet. */
export function compose(packet: Packet, names: Names): Buffer {
  const from = split(packet.from, names);
  const to = split(packet.to, names);
  const [protocol, l4] = transport(packet, from.port, to.port, from.address.length === 4);
  const at = { tcp: 16, udp: 6, icmp: 2, sctp: -1, other: -1 }[packet.kind];
  if (at >= 0 && l4.length >= at + 2 && packet.checksum !== 'none') {
    const covered =
      protocol === protocols.icmp ? [l4] : [pseudoHeader(from.address, to.address, protocol, l4.length), l4];
    const right = ~sum(...covered) & 0xffff;
    // Wrong by a difference that shows: traces print it, and an incremental update keeps it.
    const value = packet.checksum === 'bad' ? sum(Buffer.from([right >> 8, right & 255, 0x12, 0x34])) : right;
    l4.writeUInt16BE(packet.kind === 'udp' && value === 0 ? 0xffff : value, at);
  }
  const ip = from.address.length === 4 ? ipv4 : ipv6;
  return ip(packet.ip ?? {}, protocol, from.address, to.address, l4);
}

function transport(packet: Packet, sport: number, dport: number, isV4: boolean): readonly [number, Buffer] {
  switch (packet.kind) {
    case 'tcp': {
      const options = hex(packet.options);
      const header = Buffer.alloc(20);
      header.writeUInt16BE(sport, 0);
      header.writeUInt16BE(dport, 2);
      header.writeUInt32BE((packet.seq ?? 0) >>> 0, 4);
      header.writeUInt32BE((packet.ack ?? 0) >>> 0, 8);
      header.writeUInt8((packet.dataOffset ?? 5 + options.length / 4) << 4, 12);
      header.writeUInt8(
        flagNames
          .filter((name) => packet.flags.includes(name))
          .reduce((bits, name) => bits | flagBits[name], 0),
        13,
      );
      header.writeUInt16BE(packet.window ?? 64240, 14);
      return [protocols.tcp, Buffer.concat([header, options, bytesOf(packet.data)])];
    }
    case 'udp': {
      const data = bytesOf(packet.data);
      const header = Buffer.alloc(8);
      header.writeUInt16BE(sport, 0);
      header.writeUInt16BE(dport, 2);
      header.writeUInt16BE(packet.length ?? 8 + data.length, 4);
      return [protocols.udp, Buffer.concat([header, data])];
    }
    case 'icmp': {
      const header = Buffer.alloc(8);
      header.writeUInt8(packet.type, 0);
      header.writeUInt8(packet.code ?? 0, 1);
      header.writeUInt32BE((packet.rest ?? 0) >>> 0, 4);
      return [isV4 ? protocols.icmp : protocols.icmp6, Buffer.concat([header, bytesOf(packet.data)])];
    }
    case 'sctp':
      return [protocols.sctp, sctp(packet, sport, dport)];
    case 'other':
      return [packet.protocol, bytesOf(packet.data)];
  }
}

/** Each chunk has 16 bytes behind its header; the last one has the data. */
function sctp(packet: SctpPacket, sport: number, dport: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(sport, 0);
  header.writeUInt16BE(dport, 2);
  header.writeUInt32BE(packet.tag ?? 0x11223344, 4);
  const chunks = packet.chunks.map((chunk, i) => {
    const value =
      i === packet.chunks.length - 1 && packet.data !== undefined ? packet.data : Buffer.alloc(16);
    const bytes = Buffer.concat([Buffer.alloc(4), bytesOf(value)]);
    bytes.writeUInt8(typeof chunk === 'number' ? chunk : chunkTypes[chunk], 0);
    bytes.writeUInt16BE(bytes.length, 2);
    return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  });
  const whole = Buffer.concat([header, ...chunks]);
  if (packet.checksum === 'none') return whole;
  crc32c(whole).copy(whole, 8);
  if (packet.checksum === 'bad') whole.writeUInt32BE((whole.readUInt32BE(8) ^ 0x1234) >>> 0, 8);
  return whole;
}

function ipv4(
  fields: IpFields,
  protocol: number,
  source: Buffer,
  destination: Buffer,
  payload: Buffer,
): Buffer {
  const options = hex(fields.options);
  const header = Buffer.alloc(20 + options.length);
  header.writeUInt8(0x40 | (header.length / 4), 0);
  header.writeUInt8(fields.tos ?? 0, 1);
  header.writeUInt16BE(fields.length ?? header.length + payload.length, 2);
  header.writeUInt16BE(fields.id ?? 0x4242, 4);
  const flags = ((fields.df ?? true) ? 0x4000 : 0) | (fields.mf === true ? 0x2000 : 0);
  header.writeUInt16BE(flags | ((fields.offset ?? 0) / 8), 6);
  header.writeUInt8(fields.ttl ?? 64, 8);
  header.writeUInt8(protocol, 9);
  source.copy(header, 12);
  destination.copy(header, 16);
  options.copy(header, 20);
  header.writeUInt16BE((~sum(header) & 0xffff) ^ (fields.checksum === 'bad' ? 0x1234 : 0), 10);
  return Buffer.concat([header, payload, hex(fields.trailer)]);
}

function ipv6(
  fields: IpFields,
  protocol: number,
  source: Buffer,
  destination: Buffer,
  payload: Buffer,
): Buffer {
  const chain = fields.extensions ?? [];
  const nextOf = (i: number): number => chain[i]?.header ?? protocol;
  const extensions = Buffer.concat(
    chain.map(({ body }, i) => Buffer.concat([Buffer.from([nextOf(i + 1)]), hex(body)])),
  );
  const header = Buffer.alloc(40);
  header.writeUInt32BE((0x60000000 | ((fields.tos ?? 0) << 20)) >>> 0, 0);
  header.writeUInt16BE(fields.length ?? extensions.length + payload.length, 4);
  header.writeUInt8(nextOf(0), 6);
  header.writeUInt8(fields.ttl ?? 64, 7);
  source.copy(header, 8);
  destination.copy(header, 24);
  return Buffer.concat([header, extensions, payload, hex(fields.trailer)]);
}
