// SPDX-License-Identifier: Apache-2.0
/** Host and service names of this machine: its resolver, and /etc/services. */
import { readFileSync } from 'node:fs';
import { lookup, lookupService } from 'node:dns/promises';

import type { Names } from '../ipvsadm/index.js';
import { parseAddress, type IpAddress } from '../model/index.js';

export function machineNames(servicesFile = '/etc/services'): Names {
  let services: Services | undefined;
  const known = (): Services => (services ??= readServices(servicesFile));
  return {
    addressOf: async (host) => {
      const found = await lookup(host, { family: 4 }).catch(() => undefined);
      const address = found === undefined ? undefined : parseAddress(found.address);
      return address?.ok === true ? address.value : undefined;
    },
    // Any port will do: the answer's name is wanted. Where there is none, the resolver gives the address back.
    hostOf: async (address: IpAddress) => {
      const found = await lookupService(address, 1).catch(() => undefined);
      return found === undefined || found.hostname === address ? undefined : found.hostname;
    },
    portOf: (service, protocol) => known().ports.get(`${service}/${protocol}`),
    serviceOf: (port, protocol) => known().names.get(`${port}/${protocol}`),
  };
}

interface Services {
  /** "http/tcp" -> 80, aliases included. */
  readonly ports: ReadonlyMap<string, number>;
  /** "80/tcp" -> "http". */
  readonly names: ReadonlyMap<string, string>;
}

function readServices(file: string): Services {
  const ports = new Map<string, number>();
  const names = new Map<string, string>();
  for (const line of textOf(file).split('\n')) {
    const [name, place, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    const match = /^(\d+)\/(tcp|udp)$/.exec(place ?? '');
    if (name === undefined || match === null) continue;
    const [port = '', protocol = ''] = match.slice(1);
    for (const one of [name, ...aliases]) setFirst(ports, `${one}/${protocol}`, Number(port));
    setFirst(names, `${port}/${protocol}`, name);
  }
  return { ports, names };
}

function setFirst<V>(map: Map<string, V>, key: string, value: V): void {
  if (!map.has(key)) map.set(key, value);
}

/** A machine without the file has no service names; numbers work all the same. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
