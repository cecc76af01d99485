// SPDX-License-Identifier: Apache-2.0
/**
 * Persistence: the connections of one client, or of one network of clients, go to one real server. The network is
 * written as ipvsadm takes it: a prefix length, or for IPv4 a mask like 255.255.255.0, which may have holes.
 */
import { addressBytes, parseAddress, type Family, type IpAddress } from './address.js';
import { good, mistake, type Parsed } from './parsed.js';

/** How much of a client's address names its network. */
export interface ClientNetwork {
  readonly prefixLength: number;
  /** IPv4 only: a mask that is no prefix. It counts then, and the length says only how many ones it begins with. */
  readonly mask?: IpAddress;
}

/** What besides the client's network says that connections belong together: sip, the Call-ID of a SIP call. */
export const persistenceEngines = ['sip'] as const;
/** What besides the client's network keeps connections together. */
export type PersistenceEngine = (typeof persistenceEngines)[number];

/** Connections of one client network go to one server. */
export interface Persistence extends ClientNetwork {
  /** How long a client's network is remembered after its last new connection. */
  readonly timeoutSeconds: number;
  /** Left out: none, as in the kernel. */
  readonly engine?: PersistenceEngine;
}

/** What `ipvsadm -p` without a number gives; its manual page says 300. */
export const kernelPersistenceSeconds = 360;

export const longestPrefix = (family: Family): number => (family === 'ipv4' ? 32 : 128);

export const persistenceOf = (family: Family, given: Partial<Persistence>): Persistence => ({
  timeoutSeconds: given.timeoutSeconds ?? kernelPersistenceSeconds,
  prefixLength: given.prefixLength ?? longestPrefix(family),
  ...(given.mask !== undefined && { mask: given.mask }),
  ...(given.engine !== undefined && { engine: given.engine }),
});

export function parseNetmask(value: string | number, family: Family): Parsed<ClientNetwork> {
  const text = String(value);
  const longest = longestPrefix(family);
  if (/^\d{1,3}$/.test(text)) {
    const length = Number(text);
    return length >= 1 && length <= longest
      ? good({ prefixLength: length })
      : mistake(`be a prefix length of 1..${longest}`);
  }
  const mask = family === 'ipv4' ? parseAddress(text) : undefined;
  if (mask?.ok === true) {
    const bits = [...addressBytes(mask.value)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const prefixLength = `${bits}0`.indexOf('0');
    return good(/^1+0*$/.test(bits) ? { prefixLength } : { prefixLength, mask: mask.value });
  }
  return mistake(
    family === 'ipv4'
      ? 'be a prefix length like 24 or a mask like 255.255.255.0'
      : 'be a prefix length like 64',
  );
}

export const isWholeClient = ({ prefixLength, mask }: ClientNetwork, family: Family): boolean =>
  mask === undefined && prefixLength === longestPrefix(family);

/** 255.255.255.0 for 24, as ipvsadm prints it; a length for IPv6. */
export function formatNetmask({ prefixLength: length, mask }: ClientNetwork, family: Family): string {
  if (family === 'ipv6') return String(length);
  if (mask !== undefined) return mask;
  return [0, 8, 16, 24].map((from) => (0xff00 >> Math.min(Math.max(length - from, 0), 8)) & 0xff).join('.');
}
