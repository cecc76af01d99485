// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { prepareHost, type Host, type HostModel } from '../../../src/host/index.js';
import { settleMs } from '../../../src/host/watch.js';
import { virtualService } from '../../../src/model/index.js';
import { FakeKernel, type FakeLink } from './fake-kernel.js';

const links: readonly FakeLink[] = [
  { name: 'lo', index: 1, addresses: ['127.0.0.1/8', '::1/128'] },
  { name: 'eth0', index: 2, addresses: ['10.1.0.1/24', 'fd00:1::1/64'] },
  { name: 'vsnat0', index: 7, kind: 'tun' },
];
const device = { name: 'vsnat0', index: 7 };

const everything: HostModel = {
  tun: { name: 'vsnat0', mtu: 65535 },
  services: (
    [
      ['tcp://10.9.0.1:80', '10.2.1.2:8080'],
      ['udp://10.1.0.80:53', '10.2.1.2:53'],
      ['tcp://10.1.0.1:80', '10.2.1.3:8080'],
      ['tcp://[fd00:1::80]:80', '[fd00:2::2]:8080'],
      ['tcp://[fd00:1::1]:80', '[fd00:2::3]:8080'],
    ] as const
  ).map(([listen, server], index) => virtualService({ name: `s${index}`, listen, servers: [server] })),
};

interface Scene {
  readonly kernel: FakeKernel;
  readonly host: Host;
  readonly warnings: string[];
  readonly before: string;
  readonly running: readonly string[];
}

async function scene(hasNft = true): Promise<Scene> {
  const kernel = new FakeKernel(links, { hasNft });
  const warnings: string[] = [];
  const before = kernel.snapshot();
  const log = { info: () => undefined, warn: (message: string) => void warnings.push(message) };
  const host = await prepareHost(everything, device, { log, system: kernel });
  warnings.length = 0;
  return { kernel, host, warnings, before, running: state(kernel) };
}

/** Everything a packet could notice. The order of rules counts, that of the rest does not. */
const state = (kernel: FakeKernel): readonly string[] => [
  JSON.stringify(kernel.rules),
  ...[...kernel.routes].sort(),
  ...[...kernel.proxies].map(String).sort(),
  ...[...kernel.tables].flatMap(([name, set]) => [name, ...[...set].sort()]),
  ...[...kernel.files].map(String).sort(),
  ...[...kernel.flushedChains],
  JSON.stringify({ ...kernel.device, addresses: [...kernel.device.addresses] }),
];

const harms: readonly (readonly [name: string, harm: (kernel: FakeKernel) => void, said: RegExp])[] = [
  ['nft flush ruleset', (k) => k.tables.clear(), /put back nft table vsnat_vsnat0$/],
  ['a flushed chain', (k) => k.flushedChains.add('replies4'), /put back nft table vsnat_vsnat0$/],
  [
    'a flushed set',
    (k) => k.tables.set('vsnat_vsnat0', new Set()),
    /put back nft vsnat_vsnat0 servers4 10\.2\.1\.2 \. tcp \. 8080, .* and \d+ more$/,
  ],
  [
    'the device taken down and up',
    (k) => k.routes.clear(),
    /put back table4 1979711495, table6 1979711495, route 10\.9\.0\.1, route 10\.1\.0\.80, route fd00:1::80$/,
  ],
  [
    'the device taken down',
    (k) => {
      k.routes.clear();
      k.device.isUp = false;
    },
    /put back link set dev vsnat0 up, /,
  ],
  [
    'the client interface taken down and up',
    (k) => k.proxies.clear(),
    /put back proxy 10\.1\.0\.80 eth0, proxy fd00:1::80 eth0$/,
  ],
  ['a changed MTU', (k) => (k.device.mtu = 1500), /put back link set dev vsnat0 mtu 65535/],
  ['a lost address', (k) => k.device.addresses.clear(), /put back address replace 127\.118\.0\.1/],
  [
    'sysctl --system',
    (k) => k.files.set('/proc/sys/net/ipv4/conf/vsnat0/rp_filter', '1\n'),
    /put back sysctl net\/ipv4\/conf\/vsnat0\/rp_filter=2$/,
  ],
  [
    'our rules removed, as systemd-networkd does',
    (k) => (k.rules[4] = k.rules[4].filter((rule) => rule.protocol !== '118')),
    /put back rule4 pref 0 iif vsnat0 goto 1, /,
  ],
  [
    'only the rule that keeps packets from circling',
    (k) => (k.rules[4] = k.rules[4].filter((rule) => !rule.body.startsWith('iif'))),
    /put back rule4 pref 0 iif vsnat0 goto 1$/,
  ],
  [
    'the rule for local back at its usual place',
    (k) => {
      const moved = k.rules[4].findIndex((rule) => rule.body === 'lookup 255');
      k.rules[4].splice(moved, 1, { preference: 0, body: 'lookup 255', protocol: '2' });
    },
    /put back rule4 local behind, rule4 local no longer first$/,
  ],
  [
    'no rule for local at all',
    (k) => (k.rules[4] = k.rules[4].filter((rule) => rule.preference === 0 || rule.preference > 1)),
    /put back rule4 local behind$/,
  ],
];

describe('what others remove', () => {
  for (const [name, harm, said] of harms)
    for (const way of ['the watch', 'a reload'] as const)
      test(`${name}: is put back by ${way}, and named`, async () => {
        const { kernel, host, warnings, before, running } = await scene();
        harm(kernel);
        expect(state(kernel)).not.toEqual(running);
        await (way === 'the watch' ? host.check() : host.update(everything));
        expect(state(kernel)).toEqual(running);
        expect(warnings).toHaveLength(1);
        expect(warnings[0]).toMatch(/^host state was changed by somebody else: put back /);
        expect(warnings[0]).toMatch(said);
        expect(host.trouble()).toBeNull();
        await host.check();
        expect(warnings).toHaveLength(1);
        await host.close();
        if (name !== 'sysctl --system') expect(kernel.snapshot()).toBe(before);
      });

  for (const hasNft of [true, false])
    test(`${hasNft ? 'with' : 'without'} nftables: any loss at all is put back, and the end is clean`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.infiniteStream(fc.boolean()), async (choices) => {
          const { kernel, host, before, running } = await scene(hasNft);
          const isLost = (): boolean => choices.next().value === true;
          for (const version of [4, 6] as const)
            kernel.rules[version] = kernel.rules[version].filter(
              (rule) => rule.protocol !== '118' || !isLost(),
            );
          for (const route of [...kernel.routes]) if (isLost()) kernel.routes.delete(route);
          for (const proxy of [...kernel.proxies.keys()]) if (isLost()) kernel.proxies.delete(proxy);
          for (const set of kernel.tables.values())
            for (const element of [...set]) if (isLost()) set.delete(element);
          await host.check();
          const sorted = (lines: readonly string[]): readonly string[] => lines.slice(1);
          expect(sorted(state(kernel))).toEqual(sorted(running));
          for (const version of [4, 6] as const) {
            const mine = kernel.rules[version].filter((rule) => rule.protocol === '118');
            expect(mine[0]?.body).toMatch(/^iif vsnat0/); // what the director writes never circles
          }
          await host.close();
          expect(kernel.snapshot()).toBe(before);
        }),
        { numRuns: 50 },
      );
    });

  test('what cannot be put back is said once, kept as trouble, and mended when the way is free', async () => {
    const { kernel, host, warnings, running } = await scene();
    kernel.routes.clear();
    kernel.refuse = (line) => line.startsWith('route add 10.9.0.1');
    await host.check();
    await host.check();
    expect(warnings.filter((warning) => warning.includes('cannot be put back'))).toEqual([
      'host: route 10.9.0.1 cannot be put back, got "ip -4 route add 10.9.0.1/32 dev vsnat0 protocol 118: ' +
        'RTNETLINK answers: injected"; free what is in the way',
    ]);
    expect(host.trouble()).toMatch(/route 10\.9\.0\.1 cannot be put back/);
    expect([...kernel.routes].some((route) => route.includes('fd00:1::80'))).toBe(true); // the rest is back
    kernel.refuse = () => false;
    await host.check();
    expect(host.trouble()).toBeNull();
    expect(state(kernel)).toEqual(running);
  });

  test('forwarding turned off is trouble with its mend, and left to the administrator', async () => {
    const { kernel, host, warnings } = await scene();
    kernel.files.set('/proc/sys/net/ipv4/ip_forward', '0\n');
    await host.check();
    expect(host.trouble()).toContain('run: sysctl -w net.ipv4.ip_forward=1');
    expect(warnings).toHaveLength(1);
    kernel.files.set('/proc/sys/net/ipv4/ip_forward', '1\n');
    await host.check();
    expect(host.trouble()).toBeNull();
  });

  test('an nft without JSON is asked for the name of the table only', async () => {
    const { kernel, host, warnings } = await scene();
    const run = kernel.run;
    kernel.run = (argv, stdin) =>
      argv.includes('-j')
        ? Promise.resolve({ status: 1, stdout: '', stderr: 'Error: JSON support not compiled-in' })
        : run(argv, stdin);
    await host.check();
    expect(warnings).toEqual([]);
    kernel.tables.clear();
    await host.check();
    expect(kernel.tables.get('vsnat_vsnat0')?.size).toBeGreaterThan(0);
    expect(warnings).toHaveLength(1);
  });

  test('a look costs three processes and changes nothing', async () => {
    const { kernel, host } = await scene();
    const before = kernel.runs.length;
    kernel.refuse = () => true;
    await host.check();
    expect(kernel.runs.length - before).toBe(3);
    expect(host.trouble()).toBeNull();
  });

  test('after the end nothing is put back', async () => {
    const { kernel, host, before } = await scene();
    await host.close();
    await host.check();
    expect(kernel.snapshot()).toBe(before);
  });
});

describe("another director's VIP", () => {
  const rival: FakeLink = { name: 'vsnat1', index: 9, kind: 'tun' };
  const web: HostModel = { ...everything, services: everything.services.slice(0, 1) };

  async function refusal(holder: boolean): Promise<unknown> {
    const kernel = new FakeKernel([...links, rival]);
    const log = { info: () => undefined, warn: () => undefined };
    await prepareHost(web, { name: 'vsnat1', index: 9 }, { log, system: kernel });
    const folders: Record<string, readonly string[]> = { '/proc': ['77'], '/proc/77/fd': ['5'] };
    if (holder) {
      kernel.list = (path?: string) => Promise.resolve(folders[path ?? ''] ?? []);
      kernel.link = (path?: string) =>
        Promise.resolve(path?.endsWith('/5') === true ? '/dev/net/tun' : 'net:[1]');
      kernel.files.set('/proc/77/fdinfo/5', 'iff:\tvsnat1\n');
      kernel.files.set('/proc/77/comm', 'vsnat\n');
    }
    const before = kernel.snapshot();
    const error: unknown = await prepareHost(web, device, { log, system: kernel }).catch((e: unknown) => e);
    expect(kernel.snapshot()).toBe(before);
    return error;
  }

  test('is refused with the device and the process that hold it', async () => {
    expect(await refusal(true)).toMatchObject({
      code: 'VSNAT_HOST_REFUSED',
      message:
        'host: VIP 10.9.0.1 is held by device vsnat1 of process 77 (vsnat); remove the VIP from one of the two ' +
        'configurations, or stop that process',
    });
  });

  test('is refused with the command that frees it when nobody holds the device', async () => {
    expect(await refusal(false)).toMatchObject({
      message: expect.stringMatching(/run: ip -4 route del 10\.9\.0\.1 dev vsnat1 protocol 118$/) as string,
    });
  });
});

test('what others remove is put back as soon as the kernel has told of it', async () => {
  vi.useFakeTimers();
  try {
    const kernel = new FakeKernel(links);
    kernel.tells = true;
    const log = { info: () => undefined, warn: () => undefined };
    const host = await prepareHost(everything, device, { log, system: kernel, watchMs: 5_000 });
    await vi.advanceTimersByTimeAsync(20_000);
    const running = state(kernel);
    const looked = kernel.runs.length;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(kernel.runs).toHaveLength(looked);
    kernel.tables.clear();
    kernel.tell();
    await vi.advanceTimersByTimeAsync(settleMs);
    expect(state(kernel)).toEqual(running);
    await host.close();
  } finally {
    vi.useRealTimers();
  }
});
