// SPDX-License-Identifier: Apache-2.0
/** Packets as the tap shows them. */
import type { TappedPacket } from '../../../../src/dataplane/packet-tap.js';
import { firstPacket } from '../../../../src/packet/build.js';
import { parseEndpoint, type Endpoint } from '../../../../src/model/index.js';

export const end = (text: string): Endpoint => {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new Error(`${text}: must ${parsed.must}`);
  return parsed.value;
};

export function packet(protocol: 'tcp' | 'udp', from: string, to: string, identification = 1): Buffer {
  const bytes = Buffer.from(firstPacket({ protocol, client: end(from), to: end(to) }) ?? []);
  if ((bytes[0] ?? 0) >> 4 === 4) bytes.writeUInt16BE(identification, 4);
  return bytes;
}

/** Destination unreachable from `from` to whoever sent `about`. */
export function icmpError(from: string, about: Buffer): Buffer {
  const outer = packet('udp', `${from}:1`, `${about.subarray(12, 16).join('.')}:1`).subarray(0, 20);
  outer[9] = 1;
  return Buffer.concat([outer, Buffer.from([3, 1, 0, 0, 0, 0, 0, 0]), about.subarray(0, 28)]);
}

export const tapped = (
  bytes: Uint8Array,
  at: { readonly ms?: number; readonly interface?: number; readonly outgoing?: boolean } = {},
): TappedPacket => {
  const { ms = 0, interface: device = 7, outgoing = true } = at;
  return {
    bytes,
    length: bytes.length,
    seconds: 1_000 + Math.floor(ms / 1000),
    nanoseconds: (ms % 1000) * 1e6,
    interface: device,
    outgoing,
  };
};
