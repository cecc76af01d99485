// SPDX-License-Identifier: Apache-2.0
/** An address of this host with the subnet it puts on a device. */
import { addressBytes, formatAddress, parseAddress, parsePrefix, prefixContains } from '../model/index.js';

export interface HostPrefix {
  readonly device: string;
  readonly address: string;
  readonly length: number;
  contains(address: string): boolean;
  /** Whether `address` is the subnet's own or its broadcast address, which no service can have. */
  isReserved(address: string): boolean;
  /** Some address of the subnet that is not this host's: the first but those. */
  neighbour(): string | null;
}

export function hostPrefix(device: string, address: string, length: number): HostPrefix | null {
  const prefix = parsePrefix(`${address}/${length}`);
  if (!prefix.ok) return null;
  const bytes = addressBytes(prefix.value.network);
  const bits = bytes.length * 8;
  const at = (offset: number): string => {
    const number = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) + BigInt(offset);
    return formatAddress(
      Uint8Array.from(bytes, (_, index) =>
        Number((number >> BigInt(8 * (bytes.length - 1 - index))) & 0xffn),
      ),
    );
  };
  const size = bits - length > 30 ? 2 ** 30 : 2 ** (bits - length);
  return {
    device,
    address,
    length,
    contains: (other) => {
      const parsed = parseAddress(other);
      return parsed.ok && length < bits && prefixContains(prefix.value, parsed.value);
    },
    isReserved: (other) => bytes.length === 4 && length < 31 && (other === at(0) || other === at(size - 1)),
    neighbour: () =>
      size < 4 ? null : (['1', '2'].map((n) => at(Number(n))).find((it) => it !== address) ?? null),
  };
}
