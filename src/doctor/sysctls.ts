// SPDX-License-Identifier: Apache-2.0
/** The settings that the checks look at. One that cannot be read is left out. */
import type { System } from '../host/index.js';

const ofDevices = [
  'net/ipv4/conf/*/rp_filter',
  'net/ipv4/conf/*/forwarding',
  'net/ipv4/conf/*/accept_local',
  'net/ipv4/conf/*/send_redirects',
  'net/ipv6/conf/*/forwarding',
];

const ofHost = [
  'net/ipv4/ip_forward',
  'net/ipv4/ip_local_port_range',
  'net/ipv4/ip_local_reserved_ports',
  'net/netfilter/nf_conntrack_count',
  'net/netfilter/nf_conntrack_max',
  'net/netfilter/nf_conntrack_tcp_be_liberal',
];

export async function readSysctls(
  devices: readonly string[],
  system: System,
): Promise<ReadonlyMap<string, string>> {
  const keys = [
    ...ofHost,
    ...ofDevices.flatMap((key) => ['all', ...devices].map((device) => key.replace('*', device))),
  ];
  const values = await Promise.all(
    keys.map(async (key) => [key, (await system.read(`/proc/sys/${key}`))?.trim()] as const),
  );
  return new Map(values.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])));
}
