// SPDX-License-Identifier: Apache-2.0
/**
 * A packet as one line of a trace: every field that a receiver could act on. Left out is the IP identification, which
 * each host chooses for itself; checksums are judged, not shown: `ok`, `none` (UDP), or `bad+` the difference from the
 * right one, which a translation must keep.
 */
import { createHash } from 'node:crypto';
import { addressText, crc32c, protocols, pseudoHeader, sum } from './bytes.js';
import type { Names } from './names.js';
import { chunkTypes, flagBit, flagNames } from './packet.js';

export function describe(bytes: Buffer, names: Names): string {
  return ip(bytes, names, false);
}

interface Datagram {
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly protocol: number;
  readonly l4: Buffer;
  /** Of the transport's bytes, how many the header promises; more than there are when the packet is a quote. */
  readonly l4Length: number;
  /** TTL and what else of the IP header is worth a word. */
  readonly words: readonly string[];
  readonly isFragment: boolean;
  readonly isFirstFragment: boolean;
}

function ip(bytes: Buffer, names: Names, isQuote: boolean): string {
  const version = (bytes[0] ?? 0) >> 4;
  if ((version !== 4 && version !== 6) || bytes.length < (version === 4 ? 20 : 40))
    return `${bytes.length} bytes`;
  const datagram = version === 4 ? parse4(bytes, isQuote) : parse6(bytes, isQuote);
  const { kind, ports, words } = transport(datagram, names, isQuote);
  const endpoint = (address: Buffer, port: number | undefined): string =>
    port === undefined
      ? names.name(addressText(address))
      : names.shorten(`[${addressText(address)}]:${port}`);
  return [
    kind,
    endpoint(datagram.source, ports?.[0]),
    '>',
    endpoint(datagram.destination, ports?.[1]),
    ...datagram.words,
    ...words,
  ].join(' ');
}

const unless = (condition: boolean, word: string): readonly string[] => (condition ? [] : [word]);

function parse4(bytes: Buffer, isQuote: boolean): Datagram {
  const header = ((bytes[0] ?? 0) & 15) * 4;
  const total = bytes.readUInt16BE(2);
  const fragment = bytes.readUInt16BE(6);
  const options = bytes.subarray(20, header);
  const words = [
    `ttl=${bytes.readUInt8(8)}`,
    ...unless(bytes.readUInt8(1) === 0, `tos=${bytes.readUInt8(1)}`),
    ...unless((fragment & 0x4000) === 0, 'df'),
    ...unless(
      (fragment & 0x3fff) === 0,
      `fragment=${(fragment & 0x1fff) * 8}${(fragment & 0x2000) === 0 ? '' : '+'}`,
    ),
    `len=${total}`,
    ...unless(isQuote || bytes.length === total, `frame=${bytes.length}`),
    ...unless(options.length === 0, `ipopts=${options.toString('hex')}`),
    ...unless(sum(bytes.subarray(0, header)) === 0xffff, 'ip-csum=bad'),
  ];
  return {
    source: bytes.subarray(12, 16),
    destination: bytes.subarray(16, 20),
    protocol: bytes.readUInt8(9),
    l4: bytes.subarray(header, total),
    l4Length: total - header,
    words,
    isFragment: (fragment & 0x3fff) !== 0,
    isFirstFragment: (fragment & 0x3fff) === 0x2000,
  };
}

const extensionHeaders = new Set([0, 43, 44, 60]);

function parse6(bytes: Buffer, isQuote: boolean): Datagram {
  const total = bytes.readUInt16BE(4) + 40;
  const words = [
    `ttl=${bytes.readUInt8(7)}`,
    ...unless(
      (bytes.readUInt32BE(0) & 0x0fffffff) === 0,
      `class+label=${(bytes.readUInt32BE(0) & 0x0fffffff).toString(16)}`,
    ),
    `len=${total}`,
    ...unless(isQuote || bytes.length === total, `frame=${bytes.length}`),
  ];
  let [at, protocol, isFragment, isFirstFragment] = [40, bytes.readUInt8(6), false, false];
  while (extensionHeaders.has(protocol) && at + 8 <= bytes.length) {
    const size = protocol === 44 ? 8 : (bytes.readUInt8(at + 1) + 1) * 8;
    const body = bytes.subarray(at, at + size);
    // The identification of a fragment is its sender's own, like that of IPv4.
    words.push(
      `ext${protocol}=${(protocol === 44 ? body.subarray(1, 4) : body.subarray(1)).toString('hex')}`,
    );
    const isLater = protocol === 44 && (body.readUInt16BE(2) & 0xfff8) !== 0;
    if (protocol === 44 && (body.readUInt16BE(2) & 0xfff9) !== 0) isFragment = true;
    if (protocol === 44 && (body.readUInt16BE(2) & 0xfff9) === 1) isFirstFragment = true;
    protocol = bytes.readUInt8(at);
    at += size;
    if (isLater) break;
  }
  return {
    source: bytes.subarray(8, 24),
    destination: bytes.subarray(24, 40),
    protocol,
    l4: bytes.subarray(at, total),
    l4Length: total - at,
    words,
    isFragment,
    isFirstFragment,
  };
}

interface Transport {
  readonly kind: string;
  readonly ports?: readonly [number, number];
  readonly words: readonly string[];
}

function transport(datagram: Datagram, names: Names, isQuote: boolean): Transport {
  const { protocol, l4, isFragment, isFirstFragment } = datagram;
  const is = (wanted: number, least: number): boolean =>
    protocol === wanted && l4.length >= least && !isFragment;
  if (is(protocols.tcp, isQuote ? 8 : 20)) return tcp(datagram, isQuote);
  if (is(protocols.udp, 8)) return udp(datagram, isQuote);
  if (is(protocols.icmp, 8) || is(protocols.icmp6, 8)) return icmp(datagram, names);
  if (is(protocols.sctp, isQuote ? 8 : 12)) return sctp(datagram, isQuote);
  // A first fragment begins with a header whose checksum is the run's, not the scenario's.
  const headers: Readonly<Record<number, number>> = {
    [protocols.tcp]: 20,
    [protocols.udp]: 8,
    [protocols.icmp6]: 8,
  };
  const header = isFirstFragment ? (headers[protocol] ?? 0) : 0;
  return { kind: `protocol-${protocol}`, words: [payload(l4.subarray(header))] };
}

function tcp(datagram: Datagram, isQuote: boolean): Transport {
  const { l4 } = datagram;
  const ports = [l4.readUInt16BE(0), l4.readUInt16BE(2)] as const;
  const seq = `seq=${l4.readUInt32BE(4)}`;
  if (l4.length < 20) return { kind: 'tcp', ports, words: [seq, 'cut'] };
  const bits = l4.readUInt8(13);
  const header = l4.readUInt8(12) >> 2;
  const urgent = l4.readUInt16BE(18);
  return {
    kind: 'tcp',
    ports,
    words: [
      flagNames.filter((name) => (bits & flagBit(name)) !== 0).join('') || 'no-flags',
      seq,
      `ack=${l4.readUInt32BE(8)}`,
      `win=${l4.readUInt16BE(14)}`,
      ...unless(urgent === 0, `urg=${urgent}`),
      ...unless(header === 20, `opts=${l4.subarray(20, header).toString('hex')}`),
      // A header that says it is shorter than it is does not make data of its checksum.
      ...(l4.length > Math.max(header, 20) ? [payload(l4.subarray(Math.max(header, 20)))] : []),
      checksum(datagram, isQuote),
    ],
  };
}

function udp(datagram: Datagram, isQuote: boolean): Transport {
  const { l4, l4Length } = datagram;
  const length = l4.readUInt16BE(4);
  return {
    kind: 'udp',
    ports: [l4.readUInt16BE(0), l4.readUInt16BE(2)],
    words: [
      ...unless(length === l4Length, `udp-len=${length}`),
      ...(l4.length > 8 ? [payload(l4.subarray(8))] : []),
      l4.readUInt16BE(6) === 0 ? 'csum=none' : checksum(datagram, isQuote),
    ],
  };
}

function sctp({ l4, l4Length }: Datagram, isQuote: boolean): Transport {
  const ports = [l4.readUInt16BE(0), l4.readUInt16BE(2)] as const;
  const tag = `tag=${l4.readUInt32BE(4).toString(16)}`;
  if (l4.length < l4Length) return { kind: 'sctp', ports, words: [tag, 'cut'] };
  const chunks: string[] = [];
  for (let at = 12; at + 4 <= l4.length;) {
    const type = l4.readUInt8(at);
    const length = l4.readUInt16BE(at + 2);
    const name = Object.entries(chunkTypes).find(([, number]) => number === type)?.[0];
    const body = l4.subarray(at + 4, at + length);
    chunks.push(`${name ?? `chunk-${type}`}${body.every((byte) => byte === 0) ? '' : ` ${payload(body)}`}`);
    at += Math.max(4, (length + 3) & ~3);
  }
  const without = Buffer.from(l4);
  without.writeUInt32BE(0, 8);
  const isRight = crc32c(without).equals(l4.subarray(8, 12));
  const isNone = l4.readUInt32BE(8) === 0;
  return {
    kind: 'sctp',
    ports,
    words: [tag, ...chunks, `crc=${isRight ? 'ok' : isNone ? 'none' : isQuote ? 'stale' : 'bad'}`],
  };
}

const errors: Readonly<Record<number, readonly number[]>> = {
  [protocols.icmp]: [3, 4, 5, 11, 12],
  [protocols.icmp6]: [1, 2, 3, 4],
};

function icmp(datagram: Datagram, names: Names): Transport {
  const { l4, protocol } = datagram;
  const type = l4.readUInt8(0);
  const rest = l4.readUInt32BE(4);
  const quoted = l4.subarray(8);
  return {
    kind: protocol === protocols.icmp ? 'icmp' : 'icmp6',
    words: [
      `type=${type}/${l4.readUInt8(1)}`,
      ...unless(rest === 0, `rest=${rest}`),
      checksum(datagram, false),
      ...(errors[protocol]?.includes(type) === true
        ? [`quoting ${quoted.length}: ${ip(quoted, names, true)}`]
        : quoted.length > 0
          ? [payload(quoted)]
          : []),
    ],
  };
}

function checksum({ l4, l4Length, protocol, source, destination }: Datagram, isQuote: boolean): string {
  if (l4.length < l4Length) return 'cut';
  const pseudo = protocol === protocols.icmp ? [] : [pseudoHeader(source, destination, protocol, l4.length)];
  const difference = sum(...pseudo, l4);
  // Sum of a right packet is all ones; anything above that is how far the field is off.
  // A quote's is wrong because its addresses were replaced, and those are the run's, not the scenario's.
  if (difference !== 0xffff && isQuote) return 'csum=stale';
  return difference === 0xffff ? 'csum=ok' : `csum=bad+${difference.toString(16).padStart(4, '0')}`;
}

/** Lines of a text protocol are shown. */
const isLine = (bytes: Buffer): boolean => /^[\x20-\x7e]+\r\n$/.test(bytes.toString('latin1'));

const payload = (bytes: Buffer): string =>
  isLine(bytes)
    ? `data=${bytes.length}:${JSON.stringify(bytes.toString('latin1'))}`
    : `data=${bytes.length}:${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}`;
