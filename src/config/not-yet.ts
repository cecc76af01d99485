// SPDX-License-Identifier: Apache-2.0
/**
 * What vsnat will have and this version does not. Such a key is refused by name: accepting it in silence would leave
 * a user without the health checks or the persistence that the file seems to ask for.
 */

const later = (subject: string, verb = 'is'): string =>
  `${subject} ${verb} not supported in this version yet`;

const serviceKeys: Readonly<Record<string, string>> = {
  health: later('health checks', 'are'),
  slow_start: later('slow start'),
  drain: later('a drain deadline'),
  quorum: later('a quorum'),
  sorry_server: later('a sorry server'),
};

const serverKeys: Readonly<Record<string, string>> = {
  health: later('health checks', 'are'),
};

const kernelSettings = (
  'amemthresh am_droprate drop_entry drop_packet secure_tcp conntrack snat_reroute nat_icmp_send ' +
  'expire_quiescent_template conn_reuse_mode sloppy_tcp sloppy_sctp schedule_icmp cache_bypass pmtu_disc ' +
  'ignore_tunneled backup_only sync_version sync_threshold sync_refresh_period sync_retries sync_qlen_max ' +
  'sync_sock_size sync_ports sync_persist_mode run_estimation est_cpulist est_nice lblc_expiration ' +
  'lblcr_expiration debug_level conn_lfactor svc_lfactor conn_max'
).split(' ');

const ipvsKeys: Readonly<Record<string, string>> = {
  ...Object.fromEntries(kernelSettings.map((name) => [name, later(`the kernel's ${name}`)])),
  expire_nodest_conn: `write removed_servers: silent for the kernel's 0, reset instead of 1`,
};

const keys: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '': { health: later('health checks', 'are'), discovery: later('discovery') },
  'services[]': serviceKeys,
  'services[].servers[]': serverKeys,
  ipvs: ipvsKeys,
};

/** `where` is a path with its numbers left out: "services[].servers[]". */
export function keyNotYet(where: string, key: string): string | undefined {
  const known = keys[where];
  return known !== undefined && Object.hasOwn(known, key) ? known[key] : undefined;
}

export function valueNotYet(where: string, value: unknown, allowed: readonly string[]): string | undefined {
  if (where === 'tun.persist' && value === true) return later('a device that outlives the daemon');
  if (where !== 'services[].scheduler' || typeof value !== 'string') return undefined;
  if (/[./]/.test(value)) return `${later('a scheduler of your own')}; use one of ${allowed.join(', ')}`;
  return undefined;
}
