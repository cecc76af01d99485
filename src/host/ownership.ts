// SPDX-License-Identifier: Apache-2.0
/**
 * How vsnat's objects on a host are told from everybody else's, and one director's from another's.
 *
 * Routes, rules and proxy neighbours carry protocol number 118 ('v'), which iproute2 shows as `proto 118`. The
 * routing table and the firewall mark of a director are one number made from its device's ifindex, so several
 * directors live on one host, and a rule whose device is gone is recognised as the leftover of a crash.
 */

export const protocolNumber = 118;

/** The same, as iproute2 takes it at the end of a route, rule or neighbour. */
export const protocolArgument = `protocol ${protocolNumber}`;

const base = 0x76000000;
const checkBase = 0x77000000;
const indexMask = 0x00ffffff;

/** Table number and firewall mark of the director behind the device with this ifindex. */
export const routingIdOf = (ifindex: number): number => base | (ifindex & indexMask);

/** Table of the addresses that health checks through a VIP come from: what arrives for them is for this host. */
export const checkTableOf = (ifindex: number): number => checkBase | (ifindex & indexMask);

/** The ifindex behind a table number, or null when the table is not one of vsnat's. */
export const ifindexOf = (table: number): number | null =>
  (table & ~indexMask) === base ? table & indexMask : null;

/** Names of TUN devices may hold characters that nft reads otherwise. */
export const nftTableOf = (device: string): string =>
  `vsnat_${device.replace(/[^A-Za-z0-9]/g, (c) => `_${c.charCodeAt(0).toString(16)}`)}`;

/** Where rules go that need not precede `local`: before main, and before what routing daemons usually add. */
export const rulePreference = 118;

/** Before everything else of vsnat's that need not precede `local`. */
export const checkRulePreference = 116;

/** Where `local` goes while one of the host's own addresses is a VIP: as little behind its usual 0 as can be. */
export const movedLocalPreference = 1;
