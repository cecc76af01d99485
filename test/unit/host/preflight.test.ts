// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import {
  hostPrefixes,
  preflight,
  type CommandResult,
  type HostModel,
  type System,
} from '../../../src/host/index.js';
import { virtualService } from '../../../src/model/index.js';

const model = (listen: string): HostModel => ({
  tun: { name: 'vsnat0', mtu: 65535 },
  services: [virtualService({ name: 'web', listen, servers: [] })],
});
const web4 = model('tcp://10.9.0.1:80');
const web6 = model('tcp://[fd00:9::1]:80');

/** A host as three tables; everything not in them is missing. */
interface FakeHost {
  readonly files?: Readonly<Record<string, string>>;
  readonly folders?: Readonly<Record<string, readonly string[]>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly commands?: Readonly<Record<string, unknown>>;
  readonly ip?: CommandResult;
}

const soundFiles = {
  '/proc/self/status': 'Name:\tnode\nCapEff:\t000001ffffffffff\n',
  '/proc/sys/net/ipv4/ip_forward': '1\n',
  '/proc/sys/net/ipv6/conf/all/forwarding': '1\n',
};
const soundFolders = { '/dev/net': ['tun'] };

function fake(host: FakeHost = {}): System {
  const files: Readonly<Record<string, string>> = { ...soundFiles, ...host.files };
  const folders: Readonly<Record<string, readonly string[]>> = { ...soundFolders, ...host.folders };
  return {
    run: (argv) => {
      if (host.ip !== undefined) return Promise.resolve(host.ip);
      const answer = host.commands?.[argv.join(' ')] ?? [];
      return Promise.resolve({ status: 0, stdout: JSON.stringify(answer), stderr: '' });
    },
    follow: () => {
      throw new Error('preflight has nothing to wait for');
    },
    notices: () => null,
    read: (path) => Promise.resolve(files[path] ?? null),
    write: () => Promise.reject(new Error('preflight must not write')),
    list: (path) => Promise.resolve(folders[path] ?? []),
    link: (path) => Promise.resolve(host.links?.[path] ?? null),
  };
}

describe('preflight', () => {
  test('accepts a sound host and changes nothing', async () => {
    await preflight(web4, { system: fake() });
    await preflight(web6, { system: fake() });
  });

  const busy: FakeHost = {
    folders: {
      '/sys/class/net/vsnat0': ['ifindex', 'tun_flags'],
      '/proc': ['self', '1', '42', '43'],
      '/proc/42/fd': ['0', '7'],
      '/proc/43/fd': ['7'],
    },
    links: {
      '/proc/self/ns/net': 'net:[1]',
      '/proc/1/ns/net': 'net:[1]',
      '/proc/42/ns/net': 'net:[1]',
      '/proc/43/ns/net': 'net:[2]',
      '/proc/42/fd/0': '/dev/null',
      '/proc/42/fd/7': '/dev/net/tun',
      '/proc/43/fd/7': '/dev/net/tun',
    },
    files: {
      '/proc/42/fdinfo/7': 'pos:\t0\nflags:\t02104002\niff:\tvsnat0\n',
      '/proc/43/fdinfo/7': 'pos:\t0\niff:\tvsnat0\n',
      '/proc/42/comm': 'vsnat\n',
    },
  };

  const free = (flags: string): FakeHost => ({
    folders: { '/sys/class/net/vsnat0': ['ifindex', 'tun_flags'] },
    files: { '/sys/class/net/vsnat0/tun_flags': `${flags}\n` },
  });

  const refusals: readonly (readonly [
    name: string,
    host: FakeHost,
    code: string,
    message: RegExp,
    model?: HostModel,
  ])[] = [
    ['no TUN driver', { folders: { '/dev/net': [] } }, 'VSNAT_NO_TUN', /mknod \/dev\/net\/tun c 10 200/],
    [
      'no CAP_NET_ADMIN',
      { files: { '/proc/self/status': 'CapEff:\t0000000000000000\n' } },
      'VSNAT_NO_PERMISSION',
      /run as root.*AmbientCapabilities=CAP_NET_ADMIN/,
    ],
    [
      'a device held by a process',
      busy,
      'VSNAT_DEVICE_BUSY',
      /vsnat0 belongs to process 42 \(vsnat\); .*kill 42/,
    ],
    [
      'a device made beforehand that nobody holds',
      free('0x1901'),
      'VSNAT_DEVICE_BUSY',
      /no process holds it; .*run: ip tuntap del dev vsnat0 mode tun multi_queue$/,
    ],
    [
      'one with a single queue, by the flags it was made with',
      free('0x1801'),
      'VSNAT_DEVICE_BUSY',
      /run: ip tuntap del dev vsnat0 mode tun$/,
    ],
    ['a TAP device', free('0x1802'), 'VSNAT_DEVICE_BUSY', /run: ip tuntap del dev vsnat0 mode tap$/],
    [
      'a device that lives only as long as a process which is out of sight',
      free('0x5101'),
      'VSNAT_DEVICE_BUSY',
      /belongs to a process that cannot be seen from here/,
    ],
    [
      'an interface of that name that is no TUN device',
      { folders: { '/sys/class/net/vsnat0': ['ifindex'] } },
      'VSNAT_DEVICE_BUSY',
      /is no TUN device; choose another tun.name/,
    ],
    [
      'IPv4 forwarding off',
      { files: { '/proc/sys/net/ipv4/ip_forward': '0\n' } },
      'VSNAT_HOST_REFUSED',
      /net\.ipv4\.ip_forward=0; run: sysctl -w net\.ipv4\.ip_forward=1$/,
    ],
    [
      'IPv6 forwarding off with IPv6 services',
      { files: { '/proc/sys/net/ipv6/conf/all/forwarding': '0\n' } },
      'VSNAT_HOST_REFUSED',
      /run: sysctl -w net\.ipv6\.conf\.all\.forwarding=1$/,
      web6,
    ],
    [
      'no iproute2',
      { ip: { status: 127, stdout: '', stderr: '' } },
      'VSNAT_HOST_REFUSED',
      /install iproute2 \(apt-get install iproute2\)/,
    ],
    [
      "busybox's ip",
      { ip: { status: 1, stdout: '', stderr: "ip: unrecognized option '-json'" } },
      'VSNAT_HOST_REFUSED',
      /not the ip of busybox/,
    ],
  ];
  for (const [name, host, code, message, wanted = web4] of refusals) {
    test(`refuses ${name}`, async () => {
      await expect(preflight(wanted, { system: fake(host) })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
    });
  }

  test('IPv6 forwarding does not matter to IPv4 services', async () => {
    await preflight(web4, { system: fake({ files: { '/proc/sys/net/ipv6/conf/all/forwarding': '0\n' } }) });
  });

  test('warns of strict filtering only where there are two ways out', async () => {
    const files = {
      '/proc/sys/net/ipv4/conf/all/rp_filter': '1\n',
      '/proc/sys/net/ipv4/conf/eth0/rp_filter': '0\n',
      '/proc/sys/net/ipv4/conf/eth1/rp_filter': '1\n',
      '/proc/sys/net/ipv4/conf/eth2/rp_filter': '2\n',
      '/proc/sys/net/ipv4/conf/eth2/forwarding': '0\n',
    };
    const folders = { '/sys/class/net': ['lo', 'eth0', 'eth1', 'eth2'] };
    for (const [defaults, expected] of [
      [1, 1],
      [2, 2],
    ] as const) {
      const warnings: string[] = [];
      const commands = {
        'ip -json -4 route show default': Array.from({ length: defaults }, () => ({ dst: 'default' })),
      };
      const log = { info: () => undefined, warn: (message: string) => warnings.push(message) };
      await preflight(web4, { log, system: fake({ files, folders, commands }) });
      expect(warnings).toHaveLength(expected);
      expect(warnings.at(-1)).toContain('forwarding is off on eth2');
      if (defaults === 2)
        expect(warnings[0]).toContain('strict on eth0, eth1 and there are 2 default routes');
    }
  });
});

describe('the prefixes of the host', () => {
  const show = (version: 4 | 6): string => `ip -json -${version} -details route show table main`;

  test('are the on-link routes, without routers, tunnels of our own and link-local ones', async () => {
    const commands = {
      [show(4)]: [
        { type: 'unicast', dst: 'default', gateway: '192.0.2.1', dev: 'eth0' },
        { type: 'unicast', dst: '10.2.1.0/24', dev: 'eth1', protocol: 'kernel' },
        { type: 'unicast', dst: '10.5.0.0/16', gateway: '10.2.1.9', dev: 'eth1' },
        { type: 'unicast', dst: '10.9.0.1', dev: 'vsnat0', protocol: '118' },
        { type: 'unicast', dst: '10.7.7.7', dev: 'ppp0' },
        { type: 'blackhole', dst: '10.66.0.0/16', dev: 'lo' },
      ],
      [show(6)]: [
        { type: 'unicast', dst: 'fe80::/64', dev: 'eth0' },
        { type: 'unicast', dst: '2001:db8:1::/64', dev: 'eth0' },
        { type: 'unicast', dst: '2001:db8:2::/64', via: { host: 'fe80::1' }, dev: 'eth0' },
      ],
    };
    expect(await hostPrefixes(fake({ commands }))).toEqual([
      { prefix: '10.2.1.0/24', interface: 'eth1' },
      { prefix: '10.7.7.7/32', interface: 'ppp0' },
      { prefix: '2001:db8:1::/64', interface: 'eth0' },
    ]);
  });

  test('are unknown, not empty, where the routes cannot be listed', async () => {
    expect(await hostPrefixes(fake({ ip: { status: 127, stdout: '', stderr: '' } }))).toBeNull();
  });
});
