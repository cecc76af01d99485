// SPDX-License-Identifier: Apache-2.0
/**
 * Addresses as listings show them: in numbers with -n, else by name where there is one. Looking a name up may take
 * seconds, so printing comes in two steps: gather the names of everything that will be shown, then print.
 */
import { familyOf, formatEndpoint, type IpAddress } from '../model/index.js';
import type { Names } from './values.js';

export type EndpointName = (address: IpAddress, port: number, protocol: string) => string;

export const inNumbers: EndpointName = (address, port) => formatEndpoint({ address, port });

/** IPv6 addresses stay numbers, only their ports get a name: ipvsadm asks with gethostbyaddr() for IPv4 alone. */
export async function byName(addresses: Iterable<IpAddress>, names: Names): Promise<EndpointName> {
  const wanted = [...new Set(addresses)].filter((address) => familyOf(address) === 'ipv4');
  const hosts = new Map(
    await Promise.all(wanted.map(async (address) => [address, await names.hostOf(address)] as const)),
  );
  return (address, port, protocol) => {
    const service = protocol === 'tcp' || protocol === 'udp' ? names.serviceOf(port, protocol) : undefined;
    const host = hosts.get(address) ?? (familyOf(address) === 'ipv6' ? `[${address}]` : address);
    return `${host}:${service ?? port}`;
  };
}
