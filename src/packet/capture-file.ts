// SPDX-License-Identifier: Apache-2.0
/**
 * Captures as tcpdump and Wireshark write them: classic pcap in either byte order with micro- or nanoseconds, and
 * pcapng (section, interface, enhanced and simple packet blocks). Frames come out as IP packets; what carries no IP is
 * counted and left out. A file that ends in the middle of a packet gives all that is whole: captures are cut off.
 */
import { VsnatError } from '../errors.js';

export interface CapturedPacket {
  /** Whole milliseconds since the first packet of the file. */
  readonly atMs: number;
  readonly packet: Uint8Array;
}

export interface CaptureFile {
  readonly packets: readonly CapturedPacket[];
  /** Frames without IP, cut short by the snap length, or of an unknown kind of link. */
  readonly leftOut: number;
}

/** LINKTYPE_ values (tcpdump.org/linktypes.html). */
const linkTypes = {
  ethernet: 1,
  raw: 101,
  linuxSll: 113,
  ipv4: 228,
  ipv6: 229,
  linuxSll2: 276,
  bsdRaw: 12,
} as const;

interface Frame {
  readonly link: number;
  readonly seconds: number;
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

const pcapngMagic = 0x0a0d0d0a;

/** Whether a file begins as a capture does. */
export function isCapture(bytes: Buffer): boolean {
  const magic = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
  return magic === pcapngMagic || magicOf(magic) !== null;
}

export function readCapture(bytes: Buffer, name: string): CaptureFile {
  const magic = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
  const frames =
    magic === pcapngMagic ? [...pcapng(bytes)] : magicOf(magic) === null ? null : [...classic(bytes, magic)];
  if (frames === null)
    throw new VsnatError(
      'VSNAT_USAGE',
      `${name}: must be a capture in pcap or pcapng format, got something else; write one with \`tcpdump -w ${name}\``,
    );
  const packets: CapturedPacket[] = [];
  const start = frames[0]?.seconds ?? 0;
  for (const { link, seconds, bytes: frame, isWhole } of frames) {
    const packet = isWhole ? ipOf(link, frame) : null;
    if (packet !== null) packets.push({ atMs: Math.max(0, Math.round((seconds - start) * 1000)), packet });
  }
  return { packets, leftOut: frames.length - packets.length };
}

function magicOf(magic: number): { readonly isBig: boolean; readonly perSecond: number } | null {
  switch (magic) {
    case 0xa1b2c3d4:
      return { isBig: false, perSecond: 1e6 };
    case 0xa1b23c4d:
      return { isBig: false, perSecond: 1e9 };
    case 0xd4c3b2a1:
      return { isBig: true, perSecond: 1e6 };
    case 0x4d3cb2a1:
      return { isBig: true, perSecond: 1e9 };
    default:
      return null;
  }
}

const u32 = (bytes: Buffer, at: number, isBig: boolean): number =>
  isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
const u16 = (bytes: Buffer, at: number, isBig: boolean): number =>
  isBig ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at);

function* classic(bytes: Buffer, magic: number): Generator<Frame> {
  const { isBig, perSecond } = magicOf(magic) ?? { isBig: false, perSecond: 1e6 };
  if (bytes.length < 24) return;
  const link = u32(bytes, 20, isBig) & 0xffff;
  for (let at = 24; at + 16 <= bytes.length;) {
    const kept = u32(bytes, at + 8, isBig);
    const end = at + 16 + kept;
    if (end > bytes.length) return;
    yield {
      link,
      seconds: u32(bytes, at, isBig) + u32(bytes, at + 4, isBig) / perSecond,
      bytes: bytes.subarray(at + 16, end),
      isWhole: kept === u32(bytes, at + 12, isBig),
    };
    at = end;
  }
}

/** draft-ietf-opsawg-pcapng: blocks of type, length, body, length again. */
const block = { section: 0x0a0d0d0a, interface: 1, simple: 3, enhanced: 6 } as const;

function* pcapng(bytes: Buffer): Generator<Frame> {
  let isBig = false;
  let interfaces: { readonly link: number; readonly perSecond: number }[] = [];
  for (let at = 0; at + 12 <= bytes.length;) {
    const isSection = bytes.readUInt32LE(at) === block.section;
    if (isSection) {
      isBig = bytes.readUInt32BE(at + 8) === 0x1a2b3c4d;
      interfaces = [];
    }
    const length = u32(bytes, at + 4, isBig);
    if (length < 12 || length % 4 !== 0 || at + length > bytes.length) return;
    const body = bytes.subarray(at + 8, at + length - 4);
    const type = u32(bytes, at, isBig);
    if (type === block.interface && body.length >= 8)
      interfaces.push({ link: u16(body, 0, isBig), perSecond: resolution(body.subarray(8), isBig) });
    if (type === block.enhanced && body.length >= 20) {
      const { link, perSecond } = interfaces[u32(body, 0, isBig)] ?? { link: -1, perSecond: 1e6 };
      const kept = u32(body, 12, isBig);
      const ticks = u32(body, 4, isBig) * 2 ** 32 + u32(body, 8, isBig);
      if (20 + kept <= body.length)
        yield {
          link,
          seconds: ticks / perSecond,
          bytes: body.subarray(20, 20 + kept),
          isWhole: kept === u32(body, 16, isBig),
        };
    }
    if (type === block.simple && body.length >= 4) {
      const whole = u32(body, 0, isBig);
      const kept = Math.min(whole, body.length - 4);
      yield {
        link: interfaces[0]?.link ?? -1,
        seconds: 0,
        bytes: body.subarray(4, 4 + kept),
        isWhole: kept === whole,
      };
    }
    at += length;
  }
}

/** Option if_tsresol (9): a power of ten, or with the highest bit of two. */
function resolution(options: Buffer, isBig: boolean): number {
  for (let at = 0; at + 4 <= options.length;) {
    const [code, length] = [u16(options, at, isBig), u16(options, at + 2, isBig)];
    const value = options[at + 4];
    if (code === 9 && value !== undefined) return value & 0x80 ? 2 ** (value & 0x7f) : 10 ** value;
    if (code === 0) break;
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return 1e6;
}

/** The IP packet in a frame, without the padding behind it; null when there is none. */
function ipOf(link: number, frame: Buffer): Uint8Array | null {
  switch (link) {
    case linkTypes.ethernet: {
      let at = 12;
      // IEEE 802.1Q and 802.1ad tags, one in the other.
      while (at + 4 <= frame.length && [0x8100, 0x88a8].includes(frame.readUInt16BE(at))) at += 4;
      return at + 2 <= frame.length ? byEtherType(frame.readUInt16BE(at), frame.subarray(at + 2)) : null;
    }
    case linkTypes.linuxSll:
      return frame.length >= 16 ? byEtherType(frame.readUInt16BE(14), frame.subarray(16)) : null;
    case linkTypes.linuxSll2:
      return frame.length >= 20 ? byEtherType(frame.readUInt16BE(0), frame.subarray(20)) : null;
    case linkTypes.raw:
    case linkTypes.bsdRaw:
    case linkTypes.ipv4:
    case linkTypes.ipv6:
      return withoutPadding(frame);
    default:
      return null;
  }
}

const byEtherType = (type: number, rest: Buffer): Uint8Array | null =>
  type === 0x0800 || type === 0x86dd ? withoutPadding(rest) : null;

function withoutPadding(packet: Buffer): Uint8Array | null {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20) {
    const total = packet.readUInt16BE(2);
    return total >= 20 && total <= packet.length ? packet.subarray(0, total) : packet;
  }
  if (version !== 6 || packet.length < 40) return null;
  const total = 40 + packet.readUInt16BE(4);
  return total <= packet.length ? packet.subarray(0, total) : packet;
}
