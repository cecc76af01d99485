// SPDX-License-Identifier: Apache-2.0
/** Addresses and Internet checksums, written to be obviously right: the oracle must not share code with what it judges. */
import { isIPv6 } from 'node:net';

export const protocols = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, sctp: 132 } as const;

export function addressBytes(text: string): Buffer {
  if (!isIPv6(text)) return Buffer.from(text.split('.').map(Number));
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => parseInt(group, 16));
  const [left, right] = [groups(head), groups(tail ?? '')];
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

/** IPv6 as RFC 5952 has it: the first longest run of two or more zero groups becomes `::`. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  let [best, length] = [0, 1];
  for (let start = 0; start < 8; start += 1) {
    let end = start;
    while (groups[end] === '0') end += 1;
    if (end - start > length) [best, length] = [start, end - start];
  }
  if (length === 1) return groups.join(':');
  return `${groups.slice(0, best).join(':')}::${groups.slice(best + length).join(':')}`;
}

/** The ones' complement sum of 16-bit words, not complemented; odd bytes are padded with zero (RFC 1071). */
export function sum(...parts: readonly Buffer[]): number {
  let total = 0;
  const bytes = Buffer.concat(parts);
  for (let i = 0; i < bytes.length; i += 2) total += ((bytes[i] ?? 0) << 8) + (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

export function pseudoHeader(source: Buffer, destination: Buffer, protocol: number, length: number): Buffer {
  const rest = Buffer.alloc(source.length === 4 ? 4 : 8);
  if (source.length === 4) rest.writeUInt16BE(length, 2);
  else rest.writeUInt32BE(length, 0);
  rest.writeUInt8(protocol, source.length === 4 ? 1 : 7);
  return Buffer.concat([source, destination, rest]);
}

/** CRC32c bit by bit, as it lies in an SCTP header (RFC 9260 appendix A). */
export function crc32c(bytes: Buffer): Buffer {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  const result = Buffer.alloc(4);
  result.writeUInt32LE(~crc >>> 0);
  return result;
}
