// SPDX-License-Identifier: Apache-2.0
/**
 * The kernel's sysctls under net/ipv4/vs (Linux 6.12, ip_vs_ctl.c) that mean something to a director in NAT mode, by
 * the kernel's names. What each accepts and does stands in config/sysctls.ts; here is only what the rest reads.
 */

/** The kernel's defaults. */
export const kernelSysctls = {
  amemthresh: 1024,
  am_droprate: 10,
  drop_entry: 0,
  drop_packet: 0,
  secure_tcp: 0,
  conn_reuse_mode: 1,
  expire_quiescent_template: 0,
  sloppy_tcp: 0,
  sloppy_sctp: 0,
  schedule_icmp: 0,
  nat_icmp_send: 0,
  lblc_expiration: 86_400,
  lblcr_expiration: 86_400,
} as const satisfies Readonly<Record<string, number>>;

/** A sysctl of net.ipv4.vs that vsnat knows. */
export type SysctlName = keyof typeof kernelSysctls;

/** The kernel's sysctls by name. */
export type Sysctls = Readonly<Record<SysctlName, number>>;

export const sysctlNames = Object.keys(kernelSysctls) as readonly SysctlName[];

/** `ipvs:` of the configuration. */
export interface IpvsSettings {
  /** What becomes of a live connection whose server left the configuration. */
  readonly removedServers: 'reset' | 'silent';
  /** Whether a datagram of a one-packet service's server is taken for its reply. */
  readonly onePacketReplies: 'translate' | 'pass';
  /**
   * auto: `removedServers` alone decides, and only of servers. 0 and 1 are the kernel's: they decide that as well, of
   * deleted services, too, and 1 also ends connections at once and those of drained servers with their client's SYN.
   */
  readonly expireNodestConn: 'auto' | 0 | 1;
  readonly sysctls: Sysctls;
}
