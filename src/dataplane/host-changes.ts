// SPDX-License-Identifier: Apache-2.0
/** The addon's `HostChanges`: the kernel's word that something of this host's network has changed, and no more than that. */

/** `settings`: sysctls of interfaces, of those the kernel tells of. `firewall`: nftables. `policies`: IPsec. */
export type ChangeSubject =
  'links' | 'addresses' | 'routes' | 'rules' | 'settings' | 'firewall' | 'policies' | 'queueing';

/**
 * Calls `heard` once when something has changed, then no more until listen(). Of routes, those of this protocol number and
 * those that take another's place. Keeps no process alive. Throws Node's own errors where the kernel refuses.
 */
export type HostChangesClass = new (
  subjects: readonly ChangeSubject[],
  routeProtocol: number,
  heard: () => void,
) => HostChanges;

export interface HostChanges {
  /** What has come so far is of the past. */
  listen(): void;
  close(): void;
}
