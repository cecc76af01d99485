// SPDX-License-Identifier: Apache-2.0
/** Every check on facts that are made up: a host that is well, and one thing changed. What can be made for real is in test/netns. */
import { describe, expect, it } from 'vitest';

import { checks, diagnose, type Facts, type Finding, type Wanted } from '../../../src/doctor/index.js';
import { hostPrefix } from '../../../src/doctor/prefix.js';
import type { LinkFacts, Socket } from '../../../src/doctor/facts.js';
import { doctorLines } from '../../../src/cli/show-doctor.js';

const link = (name: string, more: Partial<LinkFacts> = {}): LinkFacts => ({
  name,
  mtu: 1500,
  isUp: true,
  hasCarrier: true,
  lro: false,
  ...more,
});

function prefix(device: string, address: string, length: number) {
  const made = hostPrefix(device, address, length);
  if (made === null) throw new RangeError(address);
  return made;
}

const wanted: Wanted = {
  source: 'vsnat.yaml',
  device: 'vsnat0',
  deviceMtu: 65_535,
  services: [
    {
      name: 'web',
      listen: [{ protocol: 'tcp', address: '10.9.0.1', port: 80 }],
      servers: [{ id: '10.2.1.2:8080', address: '10.2.1.2', port: 8080, routed: false }],
    },
  ],
};

const well: Facts = {
  wanted,
  daemon: null,
  daemonTrouble: { socket: '/run/vsnat/vsnat.sock', message: 'no daemon', exists: false },
  kernel: '6.12.1',
  capabilities: (1n << 41n) - 1n,
  seccomp: false,
  openFiles: 65_536,
  container: null,
  hasTunDriver: true,
  tun: { exists: false, isTun: false, holders: [] },
  links: [link('lo', { mtu: 65_536 }), link('eth0'), link('eth1')],
  addresses: [prefix('lo', '127.0.0.1', 8), prefix('eth0', '192.0.2.5', 24), prefix('eth1', '10.2.1.1', 24)],
  defaultRoutes: [{ version: 4, device: 'eth0', gateway: '192.0.2.1' }],
  sysctls: new Map([
    ['net/ipv4/ip_forward', '1'],
    ['net/ipv4/ip_local_port_range', '32768\t60999'],
    ['net/ipv4/ip_local_reserved_ports', ''],
    ['net/ipv4/conf/all/send_redirects', '1'],
    ['net/ipv4/conf/all/rp_filter', '0'],
    ['net/ipv4/conf/eth0/rp_filter', '0'],
  ]),
  legs: [],
  ruleset: { bases: [], rules: new Map() },
  legacyFilters: [],
  sockets: [],
  reversePathDrops: 0,
  missingSteps: 'no daemon',
  servers: [
    { server: '10.2.1.2:8080', direct: 'open', fromElsewhere: { source: '192.0.2.5', result: 'open' } },
  ],
  rivals: [],
};

const withSysctl = (key: string, value: string): Facts => ({
  ...well,
  sysctls: new Map([...well.sysctls, [key, value]]),
});
const withVip = (address: string, port = 80): Facts => ({
  ...well,
  wanted: {
    ...wanted,
    services: wanted.services.map((service) => ({
      ...service,
      listen: [{ protocol: 'tcp', address, port }],
    })),
  },
});

const findingsOf = (facts: Facts): readonly (Finding & { check: string })[] =>
  diagnose(facts).flatMap(({ check, findings }) => findings.map((finding) => ({ check, ...finding })));

it('finds nothing on a host that is well', () => expect(findingsOf(well)).toEqual([]));

const socket = (more: Partial<Socket>): Socket => ({
  protocol: 'tcp',
  address: '192.0.2.5',
  port: 80,
  state: 'listen',
  ...more,
});

const own = withVip('192.0.2.5');

describe('one thing that is not as it should be', () => {
  it.each<[string, Facts, string, Finding['level'], RegExp, string | RegExp | null]>([
    ['no driver', { ...well, hasTunDriver: false }, 'tun-driver', 'wrong', /is missing$/, /^modprobe tun/],
    [
      'no driver in a container',
      { ...well, hasTunDriver: false, container: '/.dockerenv is there (docker)' },
      'tun-driver',
      'wrong',
      /docker/,
      /--device \/dev\/net\/tun/,
    ],
    [
      'no capability',
      { ...well, capabilities: 0n },
      'capability',
      'wrong',
      /CAP_NET_ADMIN/,
      'sudo vsnat doctor',
    ],
    [
      'no bpf',
      { ...well, capabilities: 1n << 12n, seccomp: true },
      'bpf',
      'doubtful',
      /seccomp filter/,
      /CAP_BPF/,
    ],
    ['few descriptors', { ...well, openFiles: 256 }, 'descriptors', 'doubtful', /256 files/, /LimitNOFILE/],
    [
      'a socket nobody serves',
      { ...well, daemonTrouble: { socket: '/s', message: '/s: ECONNREFUSED', exists: true } },
      'daemon',
      'wrong',
      /ECONNREFUSED/,
      /restart/,
    ],
    [
      'a device of somebody else',
      { ...well, tun: { exists: true, isTun: true, holders: [{ pid: 7, command: 'openvpn' }] } },
      'device',
      'wrong',
      /process 7 \(openvpn\)/,
      'kill 7',
    ],
    [
      'a device that is no TUN',
      { ...well, tun: { exists: true, isTun: false, holders: [] } },
      'device',
      'wrong',
      /no TUN device/,
      /^ip link set dev vsnat0 down/,
    ],
    [
      'no forwarding',
      withSysctl('net/ipv4/ip_forward', '0'),
      'ip-forward',
      'wrong',
      /got 0/,
      'sysctl -w net.ipv4.ip_forward=1',
    ],
    [
      'strict filtering and drops',
      { ...withSysctl('net/ipv4/conf/eth0/rp_filter', '1'), reversePathDrops: 3 },
      'rp-filter',
      'doubtful',
      /dropped 3 packets/,
      'sysctl -w net/ipv4/conf/eth0/rp_filter=2',
    ],
    [
      'one arm with redirects',
      { ...well, defaultRoutes: [{ version: 4, device: 'eth1', gateway: '10.2.1.254' }] },
      'send-redirects',
      'doubtful',
      /eth1/,
      /send_redirects=0/,
    ],
    [
      'a full tracking table',
      {
        ...well,
        sysctls: new Map([
          ...well.sysctls,
          ['net/netfilter/nf_conntrack_count', '65000'],
          ['net/netfilter/nf_conntrack_max', '65536'],
        ]),
      },
      'conntrack',
      'wrong',
      /65000 of 65536/,
      'sysctl -w net.netfilter.nf_conntrack_max=262144',
    ],
    [
      'old iptables',
      {
        ...well,
        legacyFilters: [
          {
            program: 'iptables-legacy',
            version: 4,
            text: '*filter\n:FORWARD DROP [0:0]\n-A FORWARD -i eth0 -j ACCEPT\n',
          },
        ],
      },
      'firewall',
      'wrong',
      /policy DROP/,
      'iptables-legacy -I FORWARD -o vsnat0 -j ACCEPT; iptables-legacy -I FORWARD -i vsnat0 -j ACCEPT',
    ],
    [
      'a broadcast address',
      withVip('192.0.2.255'),
      'vip-place',
      'wrong',
      /broadcast address of 192\.0\.2\.5\/24/,
      null,
    ],
    [
      'every port of the host',
      withVip('192.0.2.5', 0),
      'vip-place',
      'wrong',
      /every tcp port/,
      'ip address del 192.0.2.5/24 dev eth0',
    ],
    [
      'a rival',
      { ...well, rivals: [{ address: '192.0.2.9', device: 'eth0', link: '52:54:00:12:34:56' }] },
      'vip-conflict',
      'wrong',
      /52:54/,
      /address del 192\.0\.2\.9/,
    ],
    [
      'a program in the place',
      { ...own, sockets: [socket({ address: '0.0.0.0' })] },
      'vip-local',
      'doubtful',
      /listens on 192\.0\.2\.5:80/,
      /sport = :80/,
    ],
    [
      'its last sockets',
      { ...own, sockets: [socket({ state: 'time-wait' })] },
      'vip-local',
      'doubtful',
      /1 sockets .* TIME_WAIT/,
      /sleep/,
    ],
    [
      'a port of outgoing connections',
      withVip('192.0.2.5', 40_000),
      'vip-local',
      'doubtful',
      /32768-60999/,
      'sysctl -w net.ipv4.ip_local_reserved_ports=40000',
    ],
    [
      'a VIP beside its servers',
      withVip('10.2.1.100'),
      'same-subnet',
      'doubtful',
      /both in 10\.2\.1\.1\/24 \(eth1\)/,
      /via 10\.2\.1\.1/,
    ],
    [
      'a server that refuses',
      { ...well, servers: [{ server: '10.2.1.2:8080', direct: 'refused', fromElsewhere: null }] },
      'servers',
      'wrong',
      /refuses/,
      /ss -tlnp/,
    ],
    [
      'a server elsewhere',
      { ...well, addresses: well.addresses.slice(0, 2) },
      'server-subnet',
      'doubtful',
      /no subnet of this host/,
      /routed: true/,
    ],
    [
      'no way back',
      {
        ...well,
        servers: [
          {
            server: '10.2.1.2:8080',
            direct: 'open',
            fromElsewhere: { source: '192.0.2.5', result: 'silent' },
          },
        ],
      },
      'way-back',
      'wrong',
      /but not 192\.0\.2\.5/,
      'ip route replace default via 10.2.1.1',
    ],
    [
      'a link that is down',
      { ...well, links: [link('eth0', { isUp: false, hasCarrier: false }), link('eth1')] },
      'links',
      'wrong',
      /eth0 has addresses and is down/,
      'ip link set dev eth0 up',
    ],
    [
      'merged packets',
      { ...well, links: [link('eth0', { lro: true }), link('eth1')] },
      'lro',
      'wrong',
      /eth0/,
      'ethtool -K eth0 lro off',
    ],
    [
      'a narrow device',
      { ...well, wanted: { ...wanted, deviceMtu: 1400 } },
      'mtu',
      'doubtful',
      /1400 bytes, eth0 of 1500/,
      /tun\.mtu/,
    ],
  ])('%s', (_, facts, check, level, what, mend) => {
    const found = findingsOf(facts);
    expect(found.map((one) => one.check)).toEqual([check]);
    const [finding] = found;
    expect(finding?.level).toBe(level);
    expect(finding?.what).toMatch(what);
    expect(finding?.why).not.toBe('');
    if (mend === null) expect(finding?.mend).toBeNull();
    else
      expect(finding?.mend).toMatch(
        typeof mend === 'string' ? new RegExp(`^${mend.replaceAll(/[.\-/]/g, '\\$&')}$`) : mend,
      );
  });

  it('a port that is reserved already is no trouble', () => {
    const facts = withVip('192.0.2.5', 40_000);
    const sysctls = new Map([
      ...facts.sysctls,
      ['net/ipv4/ip_local_reserved_ports', '1,39999-40001'] as const,
    ]);
    expect(findingsOf({ ...facts, sysctls })).toEqual([]);
  });
});

it('without a configuration and a daemon only the host is looked at, and the rest is said to be skipped', () => {
  const examined = diagnose({ ...well, wanted: null, tun: null, servers: [] });
  expect(examined).toHaveLength(checks.length);
  expect(examined.flatMap(({ findings }) => findings)).toEqual([]);
  expect(examined.filter(({ skipped }) => skipped !== null).length).toBeGreaterThan(8);
});

it('is printed as what, why and mend, and counted', () => {
  const lines = doctorLines(diagnose({ ...well, capabilities: (1n << 41n) - 1n - (1n << 12n) }), {
    all: false,
    source: 'vsnat.yaml',
  });
  expect(lines).toEqual([
    'wrong     capability: CAP_NET_ADMIN is missing in this process',
    '          the device, routes and rules cannot be made without it; and this doctor sees less',
    '          mend: sudo vsnat doctor',
    expect.stringMatching(
      /^\d+ checks for vsnat\.yaml, 1 wrong, 0 doubtful, \d+ not looked at \(--all says why\)$/,
    ),
  ]);
});
