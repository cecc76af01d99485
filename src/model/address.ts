// SPDX-License-Identifier: Apache-2.0
/**
 * IPv4 and IPv6 addresses as canonical text. Text, not bytes, is what travels through the model: it compares with
 * ===, works as a map key and prints as the user knows it. The brand says that it went through `parseAddress`, so two
 * spellings of one address (2001:DB8::0:1, 2001:db8::1) cannot count as two servers. Bytes are made where needed.
 *
 * Reading is strict: no leading zeros in IPv4 (is 010 eight or ten?), no zone ids. Writing follows RFC 5952.
 */
import { good, mistake, type Parsed } from './parsed.js';

export type Family = 'ipv4' | 'ipv6';

/** Canonical text of one address. */
export type IpAddress = string & { readonly __unit: 'IpAddress' };

/** What an address is for. Only 'unicast' can be a VIP or a RIP. */
export type AddressScope =
  | 'unicast'
  | 'unspecified'
  | 'loopback'
  | 'link-local'
  | 'multicast'
  | 'broadcast'
  | 'reserved'
  | 'IPv4-mapped';

export function parseAddress(text: string): Parsed<IpAddress> {
  if (!text.includes(':')) {
    // Read as strictly as this, IPv4 has one spelling.
    if (ipv4Number(text) !== undefined) return good(text as IpAddress);
  } else {
    const bytes = readIpv6(text);
    if (bytes !== undefined) return good(formatAddress(bytes));
  }
  if (text.includes('%')) {
    return mistake('be an IPv4 or IPv6 address', 'leave out the zone (% and what follows)');
  }
  return mistake('be an IPv4 or IPv6 address');
}

export const familyOf = (address: IpAddress): Family => (address.includes(':') ? 'ipv6' : 'ipv4');

/** Network order: 4 or 16 bytes. */
export function addressBytes(address: IpAddress): Uint8Array {
  const bytes = address.includes(':') ? readIpv6(address) : readIpv4(address);
  if (bytes === undefined)
    throw new TypeError(`address: must be canonical text, got ${JSON.stringify(address)}`);
  return bytes;
}

/** RFC 5952: lower case, the first longest run of two or more zero groups as "::", IPv4-mapped in mixed notation. */
export function formatAddress(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return bytes.join('.') as IpAddress;
  if (bytes.length !== 16) throw new RangeError(`address: must be 4 or 16 bytes, got ${bytes.length}`);
  const groups = words(bytes);
  if (isMapped(groups)) return `::ffff:${bytes.subarray(12).join('.')}` as IpAddress;
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':') as IpAddress;
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}` as IpAddress;
}

/** IPv4 before IPv6, then by value: the order of every sorted list that users see. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  const [left, right] = [addressBytes(a), addressBytes(b)];
  return left.length - right.length || Buffer.compare(left, right);
}

export function scopeOf(address: IpAddress): AddressScope {
  const number = ipv4Number(address);
  if (number !== undefined) return ipv4Scope(number);
  const bytes = addressBytes(address);
  const [first = 0, second = 0] = bytes;
  const groups = words(bytes);
  if (isMapped(groups)) return 'IPv4-mapped';
  if (groups.slice(0, 7).every((group) => group === 0)) {
    if (groups[7] === 0) return 'unspecified';
    if (groups[7] === 1) return 'loopback';
  }
  if (first === 0xff) return 'multicast';
  return first === 0xfe && (second & 0xc0) === 0x80 ? 'link-local' : 'unicast';
}

function ipv4Scope(number: number): AddressScope {
  const first = number >>> 24;
  if (first === 0) return 'unspecified'; // 0.0.0.0/8, "this network" (RFC 1122 §3.2.1.3)
  if (first === 127) return 'loopback';
  if (number >>> 16 === 0xa9fe) return 'link-local';
  if (first >= 224 && first < 240) return 'multicast';
  if (number === 0xffffffff) return 'broadcast';
  return first >= 240 ? 'reserved' : 'unicast'; // RFC 1112 §4; the dataplane forwards none of it
}

function readIpv4(text: string): Uint8Array | undefined {
  const number = ipv4Number(text);
  if (number === undefined) return undefined;
  return Uint8Array.of(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255);
}

/** Character by character: a configuration has a hundred thousand of them. */
function ipv4Number(text: string): number | undefined {
  let number = 0;
  let dots = 0;
  let byte = -1; // of no digit yet
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x2e) {
      if (byte < 0 || dots === 3) return undefined;
      number = number * 256 + byte;
      dots += 1;
      byte = -1;
      continue;
    }
    if (code < 0x30 || code > 0x39 || byte === 0) return undefined; // 0 begins no longer number
    byte = byte < 0 ? code - 0x30 : byte * 10 + code - 0x30;
    if (byte > 255) return undefined;
  }
  return dots === 3 && byte >= 0 ? number * 256 + byte : undefined;
}

function readIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = [readGroups(halves[0] ?? '', halves.length === 1), readGroups(halves[1] ?? '', true)];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Groups of one side of "::"; the last one of an address may be written as IPv4. */
function readGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [position, part] of parts.entries()) {
    if (part.includes('.')) {
      const quad = endsAddress && position === parts.length - 1 ? readIpv4(part) : undefined;
      if (quad === undefined) return undefined;
      groups.push(...words(quad));
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 2 }, (_, index) => view.getUint16(index * 2));
}

const isMapped = (groups: readonly number[]): boolean =>
  groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  }
  return best;
}
