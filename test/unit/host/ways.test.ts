// SPDX-License-Identifier: Apache-2.0
/** What keeps packets on the kernel's ways, as nft, ip, tc and /proc say it. */
import { describe, expect, test } from 'vitest';

import type { CommandResult, System } from '../../../src/host/system.js';
import { lookAtWays } from '../../../src/host/ways.js';

const usualRules = JSON.stringify([
  { priority: 0, src: 'all', table: 'local' },
  { priority: 118, src: 'all', fwmark: '0x76000007', table: '1979711495', protocol: '118' },
  { priority: 32766, src: 'all', table: 'main' },
  { priority: 32767, src: 'all', table: 'default' },
]);

const links = JSON.stringify([
  { ifindex: 1, ifname: 'lo', link_type: 'loopback' },
  { ifindex: 2, ifname: 'eth0', link_type: 'ether' },
  { ifindex: 3, ifname: 'eth1', link_type: 'ether' },
  { ifindex: 4, ifname: 'br0', link_type: 'ether' },
  { ifindex: 5, ifname: 'port0', link_type: 'ether', master: 'br0' },
  { ifindex: 6, ifname: 'wg0', link_type: 'none' },
  { ifindex: 7, ifname: 'v0', link_type: 'ether' },
]);

interface Says {
  readonly [command: string]: string | number;
}

/** A host whose programs say this; a number is an exit code. */
function host(says: Says, files: Readonly<Record<string, string>> = {}): System {
  const all: Says = {
    'nft --terse list chains': '',
    'ip -json -4 rule show': usualRules,
    'ip -json link show': links,
    ...says,
  };
  const run = (argv: readonly string[]): Promise<CommandResult> => {
    const answer = all[argv.join(' ')] ?? '';
    const status = typeof answer === 'number' ? answer : 0;
    return Promise.resolve({ status, stdout: status === 0 ? String(answer) : '', stderr: '' });
  };
  return {
    run,
    read: (path: string) =>
      Promise.resolve(files[path] ?? (/ipv4\/conf\/\w+\/forwarding$/.test(path) ? '1\n' : null)),
  } as unknown as System;
}

const chains = (lines: string): string => `table inet fw {\n\tchain c {\n\t\t${lines}\n\t}\n}\n`;
const listed = (rule: string): string =>
  `table inet fw {\n\tchain c {\n\t\ttype filter hook forward priority filter; policy accept;\n${rule}\t}\n}\n`;
const forward = 'type filter hook forward priority filter; policy accept;';

const ingress = (lines: string): string =>
  `table netdev fw {\n\tchain c {\n\t\ttype filter hook ingress device "eth0" priority filter; policy accept;\n${lines}\t}\n}\n`;

describe('egress is hindered by', () => {
  test.each<[string, Says, Readonly<Record<string, string>>, readonly RegExp[]]>([
    ['nothing on a plain host', {}, {}, []],
    [
      'a chain at forward with a rule',
      {
        'nft --terse list chains': chains(forward),
        'nft --terse list chain inet fw c': listed('\t\taccept\n'),
      },
      {},
      [/^chain c of table inet fw has rules at forward$/],
    ],
    [
      'no empty chain that accepts',
      { 'nft --terse list chains': chains(forward), 'nft --terse list chain inet fw c': listed('') },
      {},
      [],
    ],
    [
      'a chain that drops whatever comes',
      { 'nft --terse list chains': chains(forward.replace('accept', 'drop')) },
      {},
      [/at forward$/],
    ],
    [
      'a masquerade at postrouting',
      {
        'nft --terse list chains': chains('type nat hook postrouting priority srcnat; policy accept;'),
        'nft --terse list chain inet fw c': listed('\t\tmasquerade\n'),
      },
      {},
      [/at postrouting$/],
    ],
    [
      'no chain elsewhere, and none of a bridge',
      {
        'nft --terse list chains':
          chains('type filter hook input priority filter; policy drop;') +
          chains(forward.replace('accept', 'drop')).replace('inet', 'bridge'),
      },
      {},
      [],
    ],
    ['not its own table', { 'nft --terse list chains': chains(forward).replace('fw', 'vsnat_v0') }, {}, []],
    ['a host without nft', { 'nft --terse list chains': 127 }, {}, [/^nft is missing/]],
    [
      'tables of iptables-legacy, but not raw',
      {},
      { '/proc/net/ip_tables_names': 'raw\nfilter\n' },
      [/^iptables-legacy has tables \(filter\)$/],
    ],
    [
      'a routing rule of somebody else',
      { 'ip -json -4 rule show': JSON.stringify([{ priority: 50, src: '10.0.0.1', table: 'main' }]) },
      {},
      [/^there is a routing rule \(ip -4 rule, preference 50\)$/],
    ],
    [
      'an IPsec policy',
      { 'ip xfrm policy count': '\t SPD IN  1 OUT 1 FWD 1\n' },
      {},
      [/^there are IPsec policies/],
    ],
  ])('%s', async (_, says, files, expected) => {
    const { egress: found } = await lookAtWays(host(says, files), 'v0');
    expect(found).toHaveLength(expected.length);
    expected.forEach((pattern, index) => expect(found[index]).toMatch(pattern));
  });
});

describe('ingress is hindered by', () => {
  test.each<[string, Says, Readonly<Record<string, string>>, readonly RegExp[]]>([
    ['nothing on a plain host', {}, {}, []],
    [
      'a chain at prerouting with a rule',
      {
        'nft --terse list chains': chains('type nat hook prerouting priority dstnat; policy accept;'),
        'nft --terse list chain inet fw c': listed('\t\ttcp dport 80 redirect to :8080\n'),
      },
      {},
      [/at prerouting$/],
    ],
    [
      'a rule at the ingress hook of an interface',
      {
        'nft --terse list chains': ingress(''),
        'nft --terse list chain netdev fw c': ingress('\t\tip saddr 192.0.2.1 drop\n'),
      },
      {},
      [/^chain c of table netdev fw has rules at ingress$/],
    ],
    ['not its own table', { 'nft --terse list chains': chains(forward).replace('fw', 'vsnat_v0') }, {}, []],
    [
      'tables of iptables-legacy, raw among them',
      {},
      { '/proc/net/ip_tables_names': 'raw\n' },
      [/^iptables-legacy has tables \(raw\)$/],
    ],
    [
      'an IPsec policy of the way in',
      { 'ip xfrm policy count': '\t SPD IN  1 OUT 0 FWD 0\n' },
      {},
      [/^there are IPsec policies/],
    ],
  ])('%s', async (_, says, files, expected) => {
    const { ingress: found } = await lookAtWays(host(says, files), 'v0');
    expect(found.hindrances).toHaveLength(expected.length);
    expected.forEach((pattern, index) => expect(found.hindrances[index]).toMatch(pattern));
  });
});

describe('packets are taken', () => {
  const look = async (says: Says = {}, files: Readonly<Record<string, string>> = {}) => {
    const { ingress: found } = await lookAtWays(host(says, files), 'v0');
    return { from: found.interfaces.map(({ name, index }) => `${name} ${index}`), apart: found.apart };
  };

  test('from Ethernet interfaces that are not ports of others, and not from the device itself', async () => {
    expect(await look()).toEqual({ from: ['eth0 2', 'eth1 3', 'br0 4'], apart: [] });
  });

  test('not where tc looks at what comes in', async () => {
    const qdiscs =
      'qdisc noqueue 0: dev eth0 root refcnt 2\nqdisc clsact ffff: dev eth1 parent ffff:fff1\nqdisc ingress ffff: dev br0 parent ffff:fff1 ----------------\n';
    expect(await look({ 'tc qdisc show': qdiscs })).toEqual({
      from: ['eth0 2'],
      apart: [
        'eth1 has a queueing discipline for what comes in (tc qdisc)',
        'br0 has a queueing discipline for what comes in (tc qdisc)',
      ],
    });
  });

  test.each([
    ['0', '0', true],
    ['0', '1', false],
    ['1', '0', false],
    ['1', '2', true],
    ['2', '1', true],
  ])('with rp_filter %s of all and %s of the interface: %s', async (all, own, isTaken) => {
    const { from, apart } = await look(
      {},
      { '/proc/sys/net/ipv4/conf/all/rp_filter': all, '/proc/sys/net/ipv4/conf/eth1/rp_filter': own },
    );
    expect(from.includes('eth1 3')).toBe(isTaken);
    expect(apart.join()).toMatch(isTaken ? /^(?!.*eth1)/ : /eth1 filters strictly by reverse path/);
  });

  test('not where the kernel would forward nothing', async () => {
    const { from, apart } = await look({}, { '/proc/sys/net/ipv4/conf/eth0/forwarding': '0\n' });
    expect(from).not.toContain('eth0 2');
    expect(apart).toEqual(['eth0 does not forward (forwarding=0)']);
  });
});
