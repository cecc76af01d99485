// SPDX-License-Identifier: Apache-2.0
/**
 * Addresses that come to this host, as they come. A VIP that keepalived has just taken over is waited for by clients,
 * and until the rules for own addresses stand the host answers them itself, with a reset; the look every few seconds
 * would be too late.
 *
 * `ip monitor` rather than a netlink socket: src/host needs iproute2 anyway, and what this misses the next look finds.
 */
import { parsePrefix } from '../model/index.js';
import type { AddressState } from './state.js';
import type { System } from './system.js';

const restartMs = 5_000;

/** "1: lo    inet 10.9.0.1/32 scope global lo"; one that goes begins "Deleted 1: lo". */
const added = /^\d+: (\S+)\s+inet6? ([^ /]+)(?: peer \S+?)?\/(\d+)/;

export function watchAddresses(system: System, came: (address: AddressState) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stop: () => void;
  const start = (): void => {
    stop = system.follow(
      ['ip', '-oneline', 'monitor', 'address'],
      (line) => {
        const [, link = '', address = '', length = ''] = added.exec(line) ?? [];
        const prefix = parsePrefix(`${address}/${length}`);
        if (prefix.ok) came({ interface: link, address, prefix: prefix.value });
      },
      () => {
        timer = setTimeout(start, restartMs).unref();
      },
    );
  };
  start();
  return () => {
    clearTimeout(timer);
    stop();
  };
}
