// SPDX-License-Identifier: Apache-2.0
/**
 * pcapng (draft-ietf-opsawg-pcapng), as much as a capture of ours needs: one section, interfaces of IP packets, packets with
 * a comment, and what was lost. Little-endian, nanoseconds. Each function gives one whole block. Pure.
 */

export type Direction = 'inbound' | 'outbound';

export interface PacketBlock {
  /** Number of the interface, in the order of their blocks. */
  readonly interface: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly bytes: Uint8Array;
  /** On the wire; more than `bytes` when it was cut. */
  readonly length: number;
  readonly direction: Direction;
  readonly comment: string;
}

const blockTypes = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 } as const;
/**
 * LINKTYPE_LINUX_SLL: a cooked header, which says which way a packet went. LINKTYPE_RAW would need none, but libpcap up to 1.10
 * refuses a file with two interfaces of it: it compares the number in the file with its own for the same, and the two differ.
 */
const cooked = 113;
const cookedHeader = 16;
const arphrdNone = 0xfffe;
const option = {
  comment: 1,
  application: 4,
  name: 2,
  description: 3,
  resolution: 9,
  flags: 2,
  drops: 5,
} as const;

export function sectionBlock(application: string): Buffer {
  const fixed = Buffer.alloc(16);
  fixed.writeUInt32LE(0x1a2b3c4d, 0); // which end comes first
  fixed.writeUInt16LE(1, 4);
  fixed.writeBigInt64LE(-1n, 8); // of unknown length
  return block(blockTypes.section, [fixed, ...options([[option.application, Buffer.from(application)]])]);
}

export function interfaceBlock(name: string, description: string, snaplen: number): Buffer {
  const fixed = Buffer.alloc(8);
  fixed.writeUInt16LE(cooked, 0);
  fixed.writeUInt32LE(snaplen + cookedHeader, 4);
  const words = options([
    [option.name, Buffer.from(name)],
    [option.description, Buffer.from(description)],
    [option.resolution, Buffer.from([9])],
  ]);
  return block(blockTypes.interface, [fixed, ...words]);
}

export function packetBlock({ bytes, length, comment, direction, ...packet }: PacketBlock): Buffer {
  const fixed = Buffer.alloc(20);
  fixed.writeUInt32LE(packet.interface, 0);
  writeTime(fixed, 4, packet);
  const kept = cookedHeader + bytes.length;
  fixed.writeUInt32LE(kept, 12);
  fixed.writeUInt32LE(cookedHeader + length, 16);
  const flags = Buffer.alloc(4);
  flags.writeUInt32LE(direction === 'inbound' ? 1 : 2, 0);
  const words = options([
    [option.flags, flags],
    [option.comment, Buffer.from(comment)],
  ]);
  return block(blockTypes.packet, [
    fixed,
    linkHeader(bytes, direction),
    Buffer.from(bytes),
    padding(kept),
    ...words,
  ]);
}

/** https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html */
function linkHeader(bytes: Uint8Array, direction: Direction): Buffer {
  const header = Buffer.alloc(cookedHeader);
  header.writeUInt16BE(direction === 'inbound' ? 0 : 4, 0);
  header.writeUInt16BE(arphrdNone, 2);
  header.writeUInt16BE((bytes[0] ?? 0) >> 4 === 4 ? 0x0800 : 0x86dd, 14);
  return header;
}

/** Packets of an interface that were seen by nobody: the buffer was full. */
export function statisticsBlock(
  of: number,
  at: Pick<PacketBlock, 'seconds' | 'nanoseconds'>,
  drops: number,
): Buffer {
  const fixed = Buffer.alloc(12);
  fixed.writeUInt32LE(of, 0);
  writeTime(fixed, 4, at);
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(drops), 0);
  return block(blockTypes.statistics, [fixed, ...options([[option.drops, count]])]);
}

/** Of nanoseconds, the high half first whichever end comes first. */
function writeTime(
  to: Buffer,
  at: number,
  { seconds, nanoseconds }: Pick<PacketBlock, 'seconds' | 'nanoseconds'>,
): void {
  const ticks = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  to.writeUInt32LE(Number(ticks >> 32n), at);
  to.writeUInt32LE(Number(ticks & 0xffffffffn), at + 4);
}

function block(type: number, parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 12);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(length, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(length, 0);
  return Buffer.concat([head, ...parts, tail]);
}

/** With the end of the list. */
function options(list: readonly (readonly [code: number, value: Buffer])[]): Buffer[] {
  return [
    ...list.flatMap(([code, value]) => {
      const head = Buffer.alloc(4);
      head.writeUInt16LE(code, 0);
      head.writeUInt16LE(value.length, 2);
      return [head, value, padding(value.length)];
    }),
    Buffer.alloc(4),
  ];
}

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);
