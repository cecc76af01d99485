// SPDX-License-Identifier: Apache-2.0
/**
 * Which addresses this host reaches without a router. The check of a configuration uses it: VS/NAT needs the reply of
 * a real server to come back through this host, and a server on a subnet of ours can be told to route that way.
 */
import { protocolNumber } from './ownership.js';
import { ipJson } from './state.js';
import { realSystem, type System } from './system.js';

export interface OnLinkPrefix {
  readonly prefix: string;
  readonly interface: string;
}

/** On-link routes of the main table, or null where the host's routes cannot be listed. */
export async function hostPrefixes(system: System = realSystem): Promise<readonly OnLinkPrefix[] | null> {
  const prefixes: OnLinkPrefix[] = [];
  try {
    for (const version of ['-4', '-6']) {
      if (version === '-6' && (await system.read('/proc/sys/net/ipv6/conf/all/forwarding')) === null)
        continue;
      for (const route of await ipJson(system, version, '-details', 'route', 'show', 'table', 'main')) {
        const { dst, dev, type, protocol } = route;
        const isOnLink = ['gateway', 'via', 'nexthops'].every((key) => route[key] === undefined);
        if (typeof dst !== 'string' || typeof dev !== 'string' || !isOnLink) continue;
        if ((type ?? 'unicast') !== 'unicast' || dst === 'default') continue;
        // Our own routes lead into a director, not to a link; fe80::/10 is on every link.
        if (protocol === String(protocolNumber) || dst.startsWith('fe80:')) continue;
        const isWhole = !dst.includes('/');
        prefixes.push({ prefix: isWhole ? `${dst}/${version === '-4' ? 32 : 128}` : dst, interface: dev });
      }
    }
    return prefixes;
  } catch {
    return null; // no iproute2: `check` works on machines that will never run the daemon
  }
}
