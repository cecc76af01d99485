// SPDX-License-Identifier: Apache-2.0
/**
 * Addresses that come to this host, as they come. A VIP that keepalived has just taken over is waited for by clients,
 * and until the rules for own addresses stand the host answers them itself, with a reset; the look every few seconds
 * would be too late.
 *
 * `ip monitor` rather than a netlink socket: src/host needs iproute2 anyway, and what this misses the next look finds.
 */
import type { System } from './system.js';

const restartMs = 5_000;

/** "2: lo    inet 10.9.0.1/32 scope global lo"; one that goes begins "Deleted 2: lo". */
const added = /^\d+: \S+\s+inet6? ([^ /]+)/;

export function watchAddresses(system: System, came: (address: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stop: () => void;
  const start = (): void => {
    stop = system.follow(
      ['ip', '-oneline', 'monitor', 'address'],
      (line) => {
        const address = added.exec(line)?.[1];
        if (address !== undefined) came(address);
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
