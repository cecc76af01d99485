// SPDX-License-Identifier: Apache-2.0
/**
 * The nftables table of one director: it marks the packets that the kernel must route into the TUN device although
 * their destination is a client. One set lookup per packet, however many real servers there are.
 *
 * Marks are set outright, not or-ed: a marked packet ends in the TUN device, and what the director writes back is a
 * new packet with mark 0, so nobody else's bits are lost on the way.
 */
import { nftTableOf } from './ownership.js';

export type NftSet =
  'servers4' | 'servers6' | 'whole4' | 'whole6' | 'addresses4' | 'addresses6' | 'own4' | 'own6';

interface NftChain {
  readonly name: string;
  readonly hook?: string;
  readonly rules: readonly string[];
}

export function nftChains(device: string, mark: number): readonly NftChain[] {
  // The first rule that fits is the last that is looked at: this runs for every packet of the host.
  const divert = `meta mark set 0x${mark.toString(16)} accept`;
  // RFC 792 types 3, 11, 12 (unreachable, time exceeded, parameter problem); RFC 4443 types 1 to 4, with 2 packet
  // too big. Redirects and queries are not about somebody else's connection and stay with the kernel.
  const errors4 = 'icmp type { 3, 11, 12 }';
  const errors6 = 'icmpv6 type { 1, 2, 3, 4 }';
  const byFamily = (chain: string): string =>
    `meta nfproto vmap { ipv4 : goto ${chain}4, ipv6 : goto ${chain}6 }`;
  return [
    {
      name: 'replies4',
      rules: [
        `ip saddr . meta l4proto . th sport @servers4 ${divert}`,
        `ip saddr . meta l4proto @whole4 ${divert}`,
        `ip frag-off & 0x3fff != 0 ip saddr @addresses4 ${divert}`,
      ],
    },
    {
      name: 'replies6',
      rules: [
        `ip6 saddr . meta l4proto . th sport @servers6 ${divert}`,
        `ip6 saddr . meta l4proto @whole6 ${divert}`,
        `exthdr frag exists ip6 saddr @addresses6 ${divert}`,
      ],
    },
    {
      name: 'arriving4',
      rules: [
        'jump replies4',
        `${errors4} ip daddr @own4 ${divert}`,
        `${errors4} fib daddr type != local ${divert}`,
      ],
    },
    {
      name: 'arriving6',
      rules: [
        'jump replies6',
        `${errors6} ip6 daddr @own6 ${divert}`,
        `${errors6} fib daddr type != local ${divert}`,
      ],
    },
    {
      name: 'arriving',
      hook: 'type filter hook prerouting priority mangle; policy accept;',
      rules: [`iifname "${device}" accept`, byFamily('arriving')],
    },
    {
      // The first rule is about a reply that does not fit the way to the client: raised to its source, which is this
      // host itself.
      name: 'raised4',
      rules: [
        `icmp type destination-unreachable icmp code frag-needed ip daddr @own4 ${divert}`,
        'oifname "lo" accept',
        'jump replies4',
        `${errors4} ${divert}`,
      ],
    },
    {
      name: 'raised6',
      rules: [
        `icmpv6 type packet-too-big ip6 daddr @own6 ${divert}`,
        'oifname "lo" accept',
        'jump replies6',
        `${errors6} ${divert}`,
      ],
    },
    {
      name: 'raised',
      hook: 'type route hook output priority mangle; policy accept;',
      rules: [byFamily('raised')],
    },
  ];
}

export function nftTable(device: string, mark: number): string {
  const chains = nftChains(device, mark).map(({ name, hook, rules }) => {
    const lines = [...(hook === undefined ? [] : [hook]), ...rules].map((line) => `    ${line}\n`);
    return `  chain ${name} {\n${lines.join('')}  }\n`;
  });
  return `table inet ${nftTableOf(device)} {
  set servers4 { type ipv4_addr . inet_proto . inet_service; }
  set servers6 { type ipv6_addr . inet_proto . inet_service; }
  set whole4 { type ipv4_addr . inet_proto; }
  set whole6 { type ipv6_addr . inet_proto; }
  set addresses4 { type ipv4_addr; }
  set addresses6 { type ipv6_addr; }
  set own4 { type ipv4_addr; }
  set own6 { type ipv6_addr; }
${chains.join('')}}`;
}

export const addElement = (device: string, set: NftSet, element: string): string =>
  `add element inet ${nftTableOf(device)} ${set} { ${element} }`;

export const deleteElement = (device: string, set: NftSet, element: string): string =>
  `delete element inet ${nftTableOf(device)} ${set} { ${element} }`;

export const deleteTable = (table: string): string => `delete table inet ${table}`;
