// SPDX-License-Identifier: Apache-2.0
/**
 * The network both worlds are played in, as one shell script:
 *
 *   client ── up0 ═ cli ── director ── srv1 ═ up0 ── rs1
 *                                   ── srv2 ═ up0 ── rs2     (MTU 1600: replies can be too big)
 *                                   ── srv3 ═ up0 ── rs3     (MTU 1400: requests can be too big)
 *
 * The end hosts have no addresses: their kernels ignore whatever comes, and every packet "from" them is one the player
 * wrote. Neighbours are permanent and offloads off, so that the trace holds nothing but what the director did.
 */
export const hosts = ['client', 'rs1', 'rs2', 'rs3'] as const;
export type Host = (typeof hosts)[number];

/** Clients may have any source address: those of the scenarios and one literal network are behind the client's device. */
export const literalClients = '198.51.100.0/24';

/** VIPs that are the same in every run, for what looks at the address or writes it down. */
export const literalVip6 = 'fd00:9:ffff::1';
export const literalVips = [...Array.from({ length: 40 }, (_, i) => `203.0.113.${i + 1}`), literalVip6];

export const serverPort = 8080;

const mtus: Readonly<Record<Host, number>> = { client: 1500, rs1: 1500, rs2: 1600, rs3: 1400 };

const link = (host: Host): number => hosts.indexOf(host);
const device = (host: Host): string => (host === 'client' ? 'cli' : `srv${link(host)}`);

/** The MAC address of a link's end. */
const mac = (host: Host, end: 'host' | 'director'): string =>
  `02:00:00:00:0${link(host)}:0${end === 'host' ? 2 : 1}`;

/** Destination, source and EtherType of a frame the host sends to the director. */
export function ethernet(host: Host, family: 4 | 6): Buffer {
  const bytes = (text: string): number[] => text.split(':').map((part) => parseInt(part, 16));
  return Buffer.from([
    ...bytes(mac(host, 'director')),
    ...bytes(mac(host, 'host')),
    ...(family === 4 ? [0x08, 0x00] : [0x86, 0xdd]),
  ]);
}

const subnet = (host: Host): { readonly v4: string; readonly v6: string } =>
  host === 'client'
    ? { v4: '10.1.0', v6: 'fd00:1::' }
    : { v4: `10.2.${link(host)}`, v6: `fd00:2:${link(host)}::` };

// Rate limits and redirects would make the trace depend on time; DAD and random flow labels on luck.
const settings = [
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv4.icmp_ratemask=0',
  'net.ipv6.icmp.ratelimit=0',
  'net.ipv6.auto_flowlabels=0',
  ...['all', 'default'].flatMap((scope) => [
    `net.ipv4.conf.${scope}.rp_filter=0`,
    `net.ipv4.conf.${scope}.send_redirects=0`,
  ]),
];

/** `vips`: addresses the director's own host has, as IPVS wants; vsnat routes its VIPs itself. */
export function labScript(prefix: string, vips: readonly string[]): string {
  const batch = (where: string, lines: readonly string[]): string =>
    [`ip ${where}-batch - <<'END'`, ...lines, 'END'].join('\n');
  const links = hosts.map(
    (host) =>
      `link add name ${device(host)} address ${mac(host, 'director')} mtu ${mtus[host]}` +
      ` netns ${prefix}director type veth peer name up0 address ${mac(host, 'host')}` +
      ` mtu ${mtus[host]} netns ${prefix}${host}`,
  );
  const addressing = hosts.flatMap((host) => {
    const { v4, v6 } = subnet(host);
    const to = `dev ${device(host)}`;
    return [
      `link set ${device(host)} up`,
      `addr add ${v4}.1/24 ${to}`,
      `addr add ${v6}1/64 ${to} nodad`,
      `neigh replace ${v4}.2 lladdr ${mac(host, 'host')} ${to} nud permanent`,
      `neigh replace ${v6}2 lladdr ${mac(host, 'host')} ${to} nud permanent`,
    ];
  });
  const clientRoutes = [
    'route add 10.16.0.0/12 via 10.1.0.2',
    `route add ${literalClients} via 10.1.0.2`,
    'route add fd00:1::/32 via fd00:1::2',
  ];
  const inside = (host: string, command: string): string => `ip netns exec ${prefix}${host} ${command}`;
  return [
    'set -e',
    batch(
      '',
      [...hosts, 'director'].map((host) => `netns add ${prefix}${host}`),
    ),
    inside('director', `sysctl -qw ${settings.join(' ')}`),
    ...hosts.map((host) => inside(host, 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1')),
    batch('', links),
    ...hosts.map((host) => batch(`-n ${prefix}${host} `, ['link set up0 up'])),
    ...[
      ...hosts.map((host) => inside(host, 'ethtool -K up0')),
      ...hosts.map((host) => inside('director', `ethtool -K ${device(host)}`)),
    ].map((command) => `${command} tx off rx off tso off gso off gro off sg off >/dev/null`),
    batch(`-n ${prefix}director `, [
      'link set lo up',
      ...addressing,
      ...clientRoutes,
      ...vips.map((vip) => `addr add ${vip} dev lo${vip.includes(':') ? ' nodad' : ''}`),
    ]),
    '',
  ].join('\n');
}

export function playerArguments(prefix: string): readonly string[] {
  return [...hosts, 'director'].map((name) => `${name}=/run/netns/${prefix}${name}`);
}
