// SPDX-License-Identifier: Apache-2.0
/** Address prefixes ("10.2.1.0/24", "2001:db8::/32"). Host bits may be set: "10.2.1.1/24" is the same prefix. */
import { addressBytes, formatAddress, parseAddress, type IpAddress } from './address.js';
import { good, mistake, type Parsed } from './parsed.js';

export interface Prefix {
  /** The lowest address of the prefix. */
  readonly network: IpAddress;
  readonly length: number;
}

/** A bare address is a prefix of full length. */
export function parsePrefix(text: string): Parsed<Prefix> {
  const [addressText = '', lengthText, ...rest] = text.split('/');
  const address = parseAddress(addressText);
  if (!address.ok || rest.length > 0) return mistake('be a prefix like 10.2.1.0/24 or 2001:db8::/32');
  const bytes = addressBytes(address.value);
  const longest = bytes.length * 8;
  if (lengthText === undefined) return good({ network: address.value, length: longest });
  if (!/^\d{1,3}$/.test(lengthText) || Number(lengthText) > longest) {
    return mistake(`have a prefix length of 0..${longest}`);
  }
  const length = Number(lengthText);
  const network = formatAddress(bytes.map((byte, index) => byte & maskByte(length, index)));
  return good({ network, length });
}

export const formatPrefix = (prefix: Prefix): string => `${prefix.network}/${prefix.length}`;

export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  const [network, bytes] = [addressBytes(prefix.network), addressBytes(address)];
  if (network.length !== bytes.length) return false;
  return bytes.every((byte, index) => (byte & maskByte(prefix.length, index)) === network[index]);
}

function maskByte(length: number, index: number): number {
  const bits = Math.min(Math.max(length - index * 8, 0), 8);
  return (0xff << (8 - bits)) & 0xff;
}
