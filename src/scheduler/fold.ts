// SPDX-License-Identifier: Apache-2.0
/** The 32 bits of an address that the hashing schedulers work on. */
import { addressBytes, type IpAddress } from '../model/address.js';

/** IPv4 as a host-order integer, or the XOR of the four 32-bit words of IPv6 (ip_vs_sh.c, ip_vs_mh.c). */
export function foldAddress(address: IpAddress): number {
  const bytes = addressBytes(address);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let folded = 0;
  for (let offset = 0; offset < bytes.length; offset += 4) folded ^= view.getUint32(offset);
  return folded >>> 0;
}
