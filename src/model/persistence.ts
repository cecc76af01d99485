// SPDX-License-Identifier: Apache-2.0
/**
 * Persistence: the connections of one client, or of one network of clients, go to one real server. The network is
 * written as ipvsadm takes it: a prefix length, or for IPv4 a mask like 255.255.255.0.
 */
import { addressBytes, parseAddress, type Family } from './address.js';
import { good, mistake, type Parsed } from './parsed.js';

export interface Persistence {
  /** How long a client's network is remembered after its last new connection. */
  readonly timeoutSeconds: number;
  /** How much of a client's address names its network. */
  readonly prefixLength: number;
}

/** What `ipvsadm -p` without a number gives; its manual page says 300. */
export const kernelPersistenceSeconds = 360;

export const longestPrefix = (family: Family): number => (family === 'ipv4' ? 32 : 128);

export const persistenceOf = (family: Family, given: Partial<Persistence>): Persistence => ({
  timeoutSeconds: given.timeoutSeconds ?? kernelPersistenceSeconds,
  prefixLength: given.prefixLength ?? longestPrefix(family),
});

export function parseNetmask(value: string | number, family: Family): Parsed<number> {
  const text = String(value);
  const longest = longestPrefix(family);
  if (/^\d{1,3}$/.test(text)) {
    const length = Number(text);
    return length >= 1 && length <= longest ? good(length) : mistake(`be a prefix length of 1..${longest}`);
  }
  const mask = family === 'ipv4' ? parseAddress(text) : undefined;
  if (mask?.ok === true) {
    const bits = [...addressBytes(mask.value)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    if (/^1+0*$/.test(bits)) return good(bits.lastIndexOf('1') + 1);
  }
  return mistake(
    family === 'ipv4'
      ? 'be a prefix length like 24 or a mask like 255.255.255.0'
      : 'be a prefix length like 64',
  );
}

/** 255.255.255.0 for 24, as ipvsadm prints it; a length for IPv6. */
export function formatNetmask(length: number, family: Family): string {
  if (family === 'ipv6') return String(length);
  return [0, 8, 16, 24].map((from) => (0xff00 >> Math.min(Math.max(length - from, 0), 8)) & 0xff).join('.');
}
