// SPDX-License-Identifier: Apache-2.0
/**
 * As much of DNS messages (RFC 1035) as a check needs: one question out, one answer in. Pure. Every length that a
 * server sends is checked before it is followed; compression pointers must lead backwards, and only so many are followed.
 */
import { formatAddress, type DnsRecordType } from '../model/index.js';

const typeCodes: Readonly<Record<DnsRecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  ANY: 255,
};

const responseNames = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
] as const;

const classIn = 1;
const flagResponse = 0x8000;
const flagTruncated = 0x0200;
const flagRecursionDesired = 0x0100;
const headerBytes = 12;
/**
 * Labels and pointers followed in one message. A sane one of 64 KiB has a few thousand; one made for it would have a hundred
 * million, as every record may point to the end of the same long chain.
 */
const maxSteps = 16_384;

/** Throws an Error with a sentence when `name` is no domain name. */
export function encodeQuery(id: number, name: string, type: DnsRecordType): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(flagRecursionDesired, 2);
  header.writeUInt16BE(1, 4);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(typeCodes[type], 0);
  tail.writeUInt16BE(classIn, 2);
  return Buffer.concat([header, encodeName(name), tail]);
}

function encodeName(name: string): Buffer {
  const labels = name.replace(/\.$/, '').split('.');
  const parts: Buffer[] = [];
  if (name !== '.' && name !== '') {
    for (const label of labels) {
      const bytes = Buffer.from(label, 'latin1');
      if (bytes.length === 0 || bytes.length > 63) throw new Error(`"${name}" is no domain name`);
      parts.push(Buffer.from([bytes.length]), bytes);
    }
  }
  const encoded = Buffer.concat([...parts, Buffer.from([0])]);
  if (encoded.length > 255) throw new Error(`"${name}" is no domain name`);
  return encoded;
}

export interface DnsAnswer {
  readonly id: number;
  readonly isTruncated: boolean;
  /** NOERROR, NXDOMAIN, …; RCODE11 and so on where there is no name. */
  readonly code: string;
  /** Whether it repeats the question, whatever the case of its letters. A server may leave it out when it refuses. */
  readonly asks: 'the same' | 'something else' | 'nothing';
  readonly records: readonly DnsRecord[];
}

export interface DnsRecord {
  readonly type: number;
  /** As zone files write it: "10.0.0.1", "10 mail.example.org". Of types unknown here: hexadecimal. */
  readonly text: string;
}

/** undefined: this is no answer. `query` is what was sent. */
export function decodeAnswer(message: Buffer, query: Buffer): DnsAnswer | undefined {
  try {
    return new Reader(message).answer(query);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

class Malformed extends Error {}

class Reader {
  readonly #message: Buffer;
  #at = 0;
  #steps = 0;

  constructor(message: Buffer) {
    this.#message = message;
  }

  answer(query: Buffer): DnsAnswer {
    const id = this.#u16();
    const flags = this.#u16();
    const questions = this.#u16();
    const answers = this.#u16();
    this.#at += 4; // authority and additional records are not read
    if ((flags & flagResponse) === 0 || questions > 1) throw new Malformed();
    const asks = questions === 0 ? 'nothing' : this.#question(query) ? 'the same' : 'something else';
    const isTruncated = (flags & flagTruncated) !== 0;
    const records: DnsRecord[] = [];
    while (records.length < answers) {
      if (isTruncated && this.#at >= this.#message.length) break;
      records.push(this.#record());
    }
    const rcode = flags & 0xf;
    return { id, isTruncated, code: responseNames[rcode] ?? `RCODE${rcode}`, asks, records };
  }

  #question(query: Buffer): boolean {
    const [mine, its] = [new Reader(query), this as Reader];
    mine.#at = headerBytes;
    const same = mine.#name().toLowerCase() === its.#name().toLowerCase();
    return mine.#u16() === its.#u16() && mine.#u16() === its.#u16() && same;
  }

  #record(): DnsRecord {
    this.#skipName(); // whose it is: of the name asked for, or of an alias of it
    const type = this.#u16();
    this.#at += 6; // class, TTL
    const length = this.#u16();
    const end = this.#at + length;
    if (end > this.#message.length) throw new Malformed();
    const text = this.#data(type, end);
    if (this.#at > end) throw new Malformed(); // a name that runs into the next record
    this.#at = end;
    return { type, text };
  }

  #data(type: number, end: number): string {
    const bytes = this.#message.subarray(this.#at, end);
    switch (type) {
      case typeCodes.A:
        if (bytes.length !== 4) throw new Malformed();
        return formatAddress(bytes);
      case typeCodes.AAAA:
        if (bytes.length !== 16) throw new Malformed();
        return formatAddress(bytes);
      case typeCodes.NS:
      case typeCodes.CNAME:
      case typeCodes.PTR:
        return this.#name();
      case typeCodes.MX:
        return `${this.#u16()} ${this.#name()}`;
      case typeCodes.SRV:
        return `${this.#u16()} ${this.#u16()} ${this.#u16()} ${this.#name()}`;
      case typeCodes.SOA:
        return [this.#name(), this.#name(), ...Array.from({ length: 5 }, () => this.#u32())].join(' ');
      case typeCodes.TXT:
        return strings(bytes);
      default:
        return bytes.toString('hex');
    }
  }

  /** Escaped as in zone files where a label holds a dot or something unprintable. Without the last dot. */
  #name(): string {
    const labels: string[] = [];
    let at = this.#at;
    let end: number | undefined;
    let floor = this.#message.length;
    let length = 0;
    for (;;) {
      const size = this.#byte(at);
      if (size === 0) break;
      if ((this.#steps += 1) > maxSteps) throw new Malformed();
      if ((size & 0xc0) === 0xc0) {
        const to = ((size & 0x3f) << 8) | this.#byte(at + 1);
        end ??= at + 2;
        if (to >= Math.min(at, floor)) throw new Malformed();
        at = floor = to;
        continue;
      }
      length += size + 1;
      if (size > 63 || length > 254 || at + 1 + size > this.#message.length) throw new Malformed();
      labels.push(
        this.#message
          .toString('latin1', at + 1, at + 1 + size)
          .replace(/[.\\\x00-\x20\x7f-\xff]/g, (c) => `\\${c.charCodeAt(0).toString().padStart(3, '0')}`),
      );
      at += 1 + size;
    }
    this.#at = end ?? at + 1;
    return labels.length === 0 ? '.' : labels.join('.');
  }

  #skipName(): void {
    for (;;) {
      const size = this.#byte(this.#at);
      if ((size & 0xc0) === 0xc0) {
        const to = ((size & 0x3f) << 8) | this.#byte(this.#at + 1);
        if (to >= this.#at) throw new Malformed();
        this.#at += 2;
        return;
      }
      if (size > 63) throw new Malformed();
      this.#at += 1 + size;
      if (size === 0) return;
    }
  }

  #byte(at: number): number {
    const byte = this.#message[at];
    if (byte === undefined) throw new Malformed();
    return byte;
  }

  #u16(): number {
    const value = (this.#byte(this.#at) << 8) | this.#byte(this.#at + 1);
    this.#at += 2;
    return value;
  }

  #u32(): number {
    return this.#u16() * 0x10000 + this.#u16();
  }
}

/** The strings of a TXT record, joined: SPF and the like are one text in several pieces. */
function strings(bytes: Buffer): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = bytes[at] ?? 0;
    if (at + 1 + size > bytes.length) throw new Malformed();
    parts.push(bytes.toString('latin1', at + 1, at + 1 + size));
    at += 1 + size;
  }
  return parts.join('');
}
