// SPDX-License-Identifier: Apache-2.0
/**
 * What passes a device, by tcpdump: written as a pcap file and read back here, down to the addresses inside ICMP
 * errors, because the promise "the client never sees a RIP" includes what is quoted.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Namespace } from './namespace.js';
import type { Background } from './process.js';
import { until } from './until.js';

export interface IpHeader {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly hopLimit: number;
  readonly totalLength: number;
}

export interface Packet extends IpHeader {
  readonly l4: Buffer;
  /** For ICMP and ICMPv6. */
  readonly icmp?: {
    readonly type: number;
    readonly code: number;
    readonly mtu: number;
    readonly quoted?: Packet;
  };
}

export const protocolNumbers = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

/** ICMP error types, v4 and v6: those that quote the packet they are about. */
const quotes = (protocol: number, type: number): boolean =>
  protocol === protocolNumbers.icmp ? [3, 5, 11, 12].includes(type) : type >= 1 && type <= 4;

export class Capture {
  /** `filter` is pcap-filter(7) text. Resolves once tcpdump listens. */
  static async start(namespace: Namespace, device: string, filter = ''): Promise<Capture> {
    const directory = await mkdtemp(path.join(tmpdir(), 'vsnat-capture-'));
    const file = path.join(directory, 'capture.pcap');
    const argv = [
      'tcpdump',
      '-i',
      device,
      '-n',
      '-s',
      '256',
      '-B',
      '16384',
      '-Z',
      'root',
      '-U',
      '-w',
      file,
      filter,
    ];
    const tcpdump = namespace.spawn(argv.filter(Boolean));
    await tcpdump.waitForOutput(/listening on/);
    return new Capture(tcpdump, directory, file);
  }

  readonly #tcpdump: Background;

  private constructor(
    tcpdump: Background,
    readonly directory: string,
    readonly file: string,
  ) {
    this.#tcpdump = tcpdump;
  }

  /** Ends the capture; every packet seen, in order. Throws when the kernel had to drop some. */
  async stop(): Promise<readonly Packet[]> {
    await until('tcpdump to catch up', () => this.#caughtUp());
    await this.#tcpdump.stop('SIGINT');
    const bytes = await readFile(this.file);
    await rm(this.directory, { recursive: true, force: true });
    const lost = this.#lastCount(/(\d+) packets? dropped by kernel/g);
    if (lost !== 0) throw new Error(`tcpdump missed ${lost} packets; the test proves nothing`);
    return packetsOf(bytes);
  }

  /** SIGINT ends tcpdump at once, with packets still in its ring; SIGUSR1 makes it say how many it has still to read. */
  async #caughtUp(): Promise<boolean> {
    const reports = (): number => this.#tcpdump.output.match(/received by filter/g)?.length ?? 0;
    const before = reports();
    this.#tcpdump.signal('SIGUSR1');
    await until('tcpdump to count', () => reports() > before, { everyMs: 5 });
    return (
      this.#lastCount(/(\d+) packets? captured/g) === this.#lastCount(/(\d+) packets? received by filter/g)
    );
  }

  #lastCount(pattern: RegExp): number {
    return Number([...this.#tcpdump.output.matchAll(pattern)].at(-1)?.[1] ?? 0);
  }
}

/** Little-endian pcap with Ethernet frames, as tcpdump writes it on this kind of machine. */
export function packetsOf(pcap: Buffer): readonly Packet[] {
  if (pcap.readUInt32LE(0) !== 0xa1b2c3d4 || pcap.readUInt32LE(20) !== 1)
    throw new Error('not an Ethernet pcap file');
  const packets: Packet[] = [];
  for (let at = 24; at + 16 <= pcap.length;) {
    const length = pcap.readUInt32LE(at + 8);
    const frame = pcap.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const packet =
      frame.length > 14 && [0x0800, 0x86dd].includes(frame.readUInt16BE(12)) && ipPacket(frame.subarray(14));
    if (packet) packets.push(packet);
  }
  return packets;
}

function ipPacket(bytes: Buffer): Packet | null {
  if (bytes.length < 20) return null;
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 6 && bytes.length < 40) return null;
  const header: IpHeader =
    version === 4
      ? {
          source: ipv4(bytes.subarray(12, 16)),
          destination: ipv4(bytes.subarray(16, 20)),
          protocol: bytes.readUInt8(9),
          hopLimit: bytes.readUInt8(8),
          totalLength: bytes.readUInt16BE(2),
        }
      : {
          source: ipv6(bytes.subarray(8, 24)),
          destination: ipv6(bytes.subarray(24, 40)),
          protocol: bytes.readUInt8(6),
          hopLimit: bytes.readUInt8(7),
          totalLength: bytes.readUInt16BE(4) + 40,
        };
  const l4 = bytes.subarray(version === 4 ? (bytes.readUInt8(0) & 15) * 4 : 40);
  const isIcmp = header.protocol === protocolNumbers.icmp || header.protocol === protocolNumbers.icmp6;
  if (!isIcmp || l4.length < 8) return { ...header, l4 };
  const type = l4.readUInt8(0);
  const quoted = quotes(header.protocol, type) ? ipPacket(l4.subarray(8)) : null;
  const mtu = header.protocol === protocolNumbers.icmp ? l4.readUInt16BE(6) : l4.readUInt32BE(4);
  return { ...header, l4, icmp: { type, code: l4.readUInt8(1), mtu, ...(quoted && { quoted }) } };
}

const ipv4 = (bytes: Buffer): string => bytes.join('.');

/** RFC 5952 text: the first longest run of two or more zero groups becomes `::`. */
function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  const runs = [...groups.join(':').matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)];
  const longest = runs.reduce<RegExpMatchArray | null>(
    (best, run) => (run[0].length > (best?.[0].length ?? 0) ? run : best),
    null,
  );
  if (longest?.index === undefined) return groups.join(':');
  const text = groups.join(':');
  const head = text.slice(0, longest.index).replace(/:$/, '');
  const tail = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${head}::${tail}`;
}

/** Packets that carry one of these addresses anywhere: in the IP header or in what an ICMP error quotes. */
export function mentioning(packets: readonly Packet[], addresses: readonly string[]): readonly Packet[] {
  const mentions = (packet: Packet): boolean =>
    addresses.includes(packet.source) ||
    addresses.includes(packet.destination) ||
    (packet.icmp?.quoted !== undefined && mentions(packet.icmp.quoted));
  return packets.filter(mentions);
}
