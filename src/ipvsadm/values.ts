// SPDX-License-Identifier: Apache-2.0
/**
 * Values of options, read as the C library reads them: " 3" and "+3" are numbers, 10.9 is the address 10.0.0.9 and
 * 010.9.0.1 is 8.9.0.1. Strict reading is for the configuration; here a script that worked must go on working.
 */
import { formatAddress, parseAddress, type Family, type IpAddress } from '../model/index.js';

/** Host and service names. gethostbyname() knows IPv4 only, and so do these. */
export interface Names {
  addressOf(host: string): Promise<IpAddress | undefined>;
  hostOf(address: IpAddress): Promise<string | undefined>;
  portOf(service: string, protocol: 'tcp' | 'udp'): number | undefined;
  serviceOf(port: number, protocol: 'tcp' | 'udp'): string | undefined;
}

/** strtol() over the whole text; undefined when it is no number or out of range. */
export function readNumber(text: string, least: number, most: number): number | undefined {
  if (!/^[ \t\n\v\f\r]*[+-]?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return value >= least && value <= most ? value : undefined;
}

/** atoi(): the number that the text begins with, or 0. */
export const leadingNumber = (text: string): number =>
  Number(/^[ \t\n\v\f\r]*([+-]?\d+)/.exec(text)?.[1] ?? 0);

/** inet_aton(): one to four parts, the last fills what is left, each decimal, octal or hexadecimal. */
export function readIpv4(text: string): IpAddress | undefined {
  const [digits = ''] = text.split(/[ \t\n\v\f\r]/);
  const parts = digits.split('.').map(readPart);
  if (parts.length > 4) return undefined;
  const bytes: number[] = [];
  for (const [index, part] of parts.entries()) {
    const width = index === parts.length - 1 ? 4 - index : 1;
    if (part === undefined || part >= 256 ** width) return undefined;
    for (let shift = width - 1; shift >= 0; shift -= 1) bytes.push(Math.floor(part / 256 ** shift) % 256);
  }
  return formatAddress(Uint8Array.from(bytes));
}

function readPart(text: string): number | undefined {
  if (/^0x[0-9a-f]+$/i.test(text)) return parseInt(text, 16);
  if (/^0[0-7]*$/.test(text)) return parseInt(text, 8);
  return /^[1-9]\d*$/.test(text) ? parseInt(text, 10) : undefined;
}

export function readIpv6(text: string): IpAddress | undefined {
  const address = text.includes(':') ? parseAddress(text) : undefined;
  return address?.ok === true ? address.value : undefined;
}

export interface HostPort {
  readonly address: IpAddress;
  readonly family: Family;
  /** undefined: not given. */
  readonly port: number | undefined;
}

/**
 * host[:port] or [v6]:port. A port after a bracketed IPv4 address is not looked at, and an IPv6 address in brackets
 * needs one: so it is in ipvsadm.
 */
export async function readHostPort(
  text: string,
  protocol: string,
  names: Names,
): Promise<HostPort | undefined> {
  const bracketed = /^\[([^\]]*)\]:(.*)$/s.exec(text);
  if (text.startsWith('[') && bracketed === null) return undefined;
  const inner = bracketed?.[1] ?? text;
  const ipv6 = readIpv6(inner);
  if (ipv6 !== undefined) return withPort(ipv6, 'ipv6', bracketed?.[2], protocol, names);
  const colon = inner.lastIndexOf(':');
  const host = colon < 0 ? inner : inner.slice(0, colon);
  const ipv4 = readIpv4(host) ?? (await lookUp(host, names));
  if (ipv4 === undefined) return undefined;
  return withPort(ipv4, 'ipv4', colon < 0 ? undefined : inner.slice(colon + 1), protocol, names);
}

/** What can be no name is not asked for: a resolver may take seconds to say no. */
const lookUp = (host: string, names: Names): Promise<IpAddress | undefined> =>
  /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(host) && !/^[\d.]+$/.test(host)
    ? names.addressOf(host)
    : Promise.resolve(undefined);

function withPort(
  address: IpAddress,
  family: Family,
  text: string | undefined,
  protocol: string,
  names: Names,
): HostPort | undefined {
  if (text === undefined) return { address, family, port: undefined };
  const port = readNumber(text, 0, 65535) ?? namedPort(text, protocol, names);
  return port === undefined ? undefined : { address, family, port };
}

const namedPort = (text: string, protocol: string, names: Names): number | undefined =>
  protocol === 'tcp' || protocol === 'udp' ? names.portOf(text, protocol) : undefined;
