// SPDX-License-Identifier: Apache-2.0
/** The addon's `PacketTap` as others use it: packets of this network namespace as they pass, one by one. */

/** Raw: all packets of a batch one behind the other, and `factsOfPacket` numbers for each. */
export type PacketTapClass = new (
  program: Uint32Array,
  receive: (bytes: Uint8Array, facts: Float64Array) => void,
) => PacketTap;

export interface PacketTap {
  /** Another program in the place of the first, between two packets. */
  filter(program: Uint32Array): void;
  /** Packets that found the buffer full, since the last time this was asked. */
  dropped(): number;
  close(): void;
}

export interface TappedPacket {
  /** From the IP header on, cut to what the filter program says. */
  readonly bytes: Uint8Array;
  /** Before it was cut. */
  readonly length: number;
  /** Unix time. */
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly interface: number;
  /** Handed to the interface; else it came from there. */
  readonly outgoing: boolean;
}

const factsOfPacket = 7;

export function tappedPackets(bytes: Uint8Array, facts: Float64Array): TappedPacket[] {
  return Array.from({ length: facts.length / factsOfPacket }, (_, index) => {
    const [offset = 0, kept = 0, length = 0, seconds = 0, nanoseconds = 0, device = 0, outgoing = 0] =
      facts.subarray(index * factsOfPacket, (index + 1) * factsOfPacket);
    return {
      bytes: bytes.subarray(offset, offset + kept),
      length,
      seconds,
      nanoseconds,
      interface: device,
      outgoing: outgoing !== 0,
    };
  });
}
