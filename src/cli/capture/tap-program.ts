// SPDX-License-Identifier: Apache-2.0
/**
 * What the kernel is told to show, as classic BPF: nothing but packets that may be wanted is copied to us, so that a capture of
 * one client costs a busy director a few instructions a packet. Offsets count from the IP header. Pure.
 */
import { addressBytes, type IpAddress } from '../../model/index.js';

export interface TapWanted {
  /** Index of the TUN device. */
  readonly device: number;
  /**
   * device: all that is translated goes back into it. everywhere: it may also leave by another interface, as a frame
   * (docs/ways.md).
   */
  readonly leaves: 'device' | 'everywhere';
  /** One of them is the source or the destination. null: any. ICMP always passes: what it quotes is looked at later. */
  readonly addresses: readonly IpAddress[] | null;
  /** Bytes kept of a packet. */
  readonly snaplen: number;
}

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, value: number];

/** Opcodes of <linux/bpf_common.h>, put together. */
const loadWord = 0x20; // BPF_LD | BPF_W | BPF_ABS
const loadByte = 0x30; // BPF_LD | BPF_B | BPF_ABS
const and = 0x54; // BPF_ALU | BPF_AND | BPF_K
const jumpEqual = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const jump = 0x05; // BPF_JMP | BPF_JA
const end = 0x06; // BPF_RET | BPF_K

/** SKF_AD_OFF and what lies there (<linux/filter.h>): facts about a packet that are not in it. */
const besidePacket = 0xfffff000;
const packetKind = besidePacket + 4; // SKF_AD_PKTTYPE
const interfaceOf = besidePacket + 8; // SKF_AD_IFINDEX
const outgoing = 4; // PACKET_OUTGOING

const icmp = 1;
const icmp6 = 58;
/** BPF_MAXINSNS; a list that does not fit is not looked at by the kernel. */
const mostInstructions = 4096;

export function tapProgram(wanted: TapWanted): Uint32Array {
  const { addresses } = wanted;
  const whole = programOf(wanted, addresses);
  const instructions =
    addresses !== null && whole.length > mostInstructions ? programOf(wanted, null) : whole;
  return Uint32Array.from(instructions.flat());
}

function programOf(
  { device, leaves, snaplen }: TapWanted,
  addresses: readonly IpAddress[] | null,
): Instruction[] {
  const keep: Instruction = [end, 0, 0, snaplen];
  const refuse: Instruction = [end, 0, 0, 0];
  const elsewhere: Instruction[] =
    leaves === 'device' ? [refuse] : [[loadByte, 0, 0, packetKind], [jumpEqual, 1, 0, outgoing], refuse];
  const packets = addresses === null ? [keep] : byAddress(addresses, keep, refuse);
  return [[loadWord, 0, 0, interfaceOf], [jumpEqual, elsewhere.length, 0, device], ...elsewhere, ...packets];
}

function byAddress(addresses: readonly IpAddress[], keep: Instruction, refuse: Instruction): Instruction[] {
  const bytes = addresses.map(addressBytes);
  const four = [
    ...protocolIs(9, icmp, keep),
    ...[12, 16].flatMap((at) =>
      anyOf(
        bytes.filter(({ length }) => length === 4),
        at,
        keep,
      ),
    ),
    refuse,
  ];
  const six = [
    ...protocolIs(6, icmp6, keep),
    ...[8, 24].flatMap((at) =>
      anyOf(
        bytes.filter(({ length }) => length === 16),
        at,
        keep,
      ),
    ),
    refuse,
  ];
  return [
    [loadByte, 0, 0, 0],
    [and, 0, 0, 0xf0],
    [jumpEqual, 2, 0, 0x40],
    [jumpEqual, 2, 0, 0x60],
    refuse,
    [jump, 0, 0, 1], // conditional jumps reach 255 instructions, these any
    [jump, 0, 0, four.length],
    ...four,
    ...six,
  ];
}

const protocolIs = (at: number, number: number, keep: Instruction): Instruction[] => [
  [loadByte, 0, 0, at],
  [jumpEqual, 0, 1, number],
  keep,
];

/** An address is a word, or four of them. */
function anyOf(addresses: readonly Uint8Array[], at: number, keep: Instruction): Instruction[] {
  return addresses.flatMap((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const words = Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(4 * index));
    return [
      ...words.flatMap((word, index): Instruction[] => [
        [loadWord, 0, 0, at + 4 * index],
        [jumpEqual, 0, 2 * (words.length - 1 - index) + 1, word],
      ]),
      keep,
    ];
  });
}
