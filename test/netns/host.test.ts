// SPDX-License-Identifier: Apache-2.0
/**
 * The host's plumbing against a real kernel, in namespaces of its own. A plain `ip tuntap` device stands in for the
 * director's. What is asserted again and again: after the end, the host's rules, routes, neighbours and nftables
 * rules read exactly as before.
 */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { planHost } from '../../src/host/plan.js';
import { readHostState } from '../../src/host/state.js';
import type { System } from '../../src/host/system.js';
import { prepareHost, type HostLog, type HostModel } from '../../src/host/index.js';
import { connect, Namespace } from '../../src/lab/namespaces.js';
import { virtualService } from '../../src/model/index.js';

const canRun = process.getuid?.() === 0 && existsSync('/dev/net/tun');
if (!canRun) {
  console.warn('SKIPPED: needs CAP_NET_ADMIN');
  if (process.env['VSNAT_REQUIRE_NETNS'] === '1') throw new Error('SKIPPED: needs CAP_NET_ADMIN');
}

const prefix = `vsnat-h${process.pid}`;
const warnings: string[] = [];
const log: HostLog = { info: () => undefined, warn: (message) => warnings.push(message) };

let director: Namespace;
let link: Namespace;

beforeEach(async () => {
  if (!canRun) return;
  warnings.length = 0;
  director = await Namespace.create(`${prefix}-d`);
  link = await Namespace.create(`${prefix}-l`);
  await connect(
    { namespace: director, interface: 'eth0', addresses: ['10.1.0.1/24', 'fd00:1::1/64'] },
    { namespace: link, interface: 'eth0', addresses: ['10.1.0.2/24', 'fd00:1::2/64'] },
  );
  await director.sysctl('net/ipv4/ip_forward', '1');
  await director.sysctl('net/ipv6/conf/all/forwarding', '1');
  await addTun('vsnat0');
});

afterEach(async () => {
  if (!canRun) return;
  await director.remove();
  await link.remove();
});

const addTun = (name: string): Promise<string> =>
  director.must(['ip', 'tuntap', 'add', 'dev', name, 'mode', 'tun', 'multi_queue']);

async function indexOf(name: string): Promise<number> {
  return Number(await director.must(['cat', `/sys/class/net/${name}/ifindex`]));
}

/** Everything vsnat may have touched outside its own device, as text that a person can compare. */
async function snapshot(): Promise<string> {
  const commands = [
    ['ip', '-4', '-details', 'rule', 'show'],
    ['ip', '-6', '-details', 'rule', 'show'],
    ['ip', '-4', 'route', 'show', 'table', 'all'],
    ['ip', '-6', 'route', 'show', 'table', 'all'],
    ['ip', 'neigh', 'show', 'proxy'],
    ['nft', 'list', 'ruleset'],
    ['sh', '-c', 'grep . /proc/sys/net/ipv6/conf/eth0/proxy_ndp /proc/sys/net/ipv4/conf/eth0/*'],
  ];
  const texts: string[] = [];
  for (const command of commands) texts.push(`# ${command.join(' ')}\n${await director.must(command)}`);
  return texts.join('\n');
}

const model = (...listen: string[]): HostModel => ({
  tun: { name: 'vsnat0', mtu: 65535 },
  services: listen.map((text, index) =>
    virtualService({
      name: `s${index}`,
      listen: text,
      servers: text.includes('[')
        ? ['[fd00:2::2]:8080', '[fd00:2::3]:8080']
        : ['10.2.1.2:8080', '10.2.2.2:8080'],
    }),
  ),
});

const routed = model('tcp://10.9.0.1:80', 'udp://10.9.0.1:53', 'tcp://[fd00:9::1]:80');
const inSubnet = model('tcp://10.1.0.100:80', 'tcp://[fd00:1::100]:80');
const ownAddress = model('tcp://10.1.0.1:80', 'udp://10.1.0.1:53', 'tcp://[fd00:1::1]:80');
const everything = { ...routed, services: [routed, inSubnet, ownAddress].flatMap((m) => m.services) };

const withoutNft = (system: System): System => ({
  ...system,
  run: (argv, stdin) =>
    argv[0] === 'nft'
      ? Promise.resolve({ status: 127, stdout: '', stderr: 'not found' })
      : system.run(argv, stdin),
});

const cases: readonly {
  readonly name: string;
  readonly model: HostModel;
  readonly shows: readonly RegExp[];
}[] = [
  {
    name: 'routed VIPs',
    model: routed,
    shows: [
      /^10\.9\.0\.1 dev vsnat0 proto 118/m,
      /^fd00:9::1 dev vsnat0 proto 118/m,
      /default dev vsnat0 table 1979\d+ proto 118/,
      /^0:\s+from all lookup local/m,
    ],
  },
  {
    name: 'VIPs in the subnet of an interface',
    model: inSubnet,
    shows: [/10\.1\.0\.100 dev eth0\s+proxy/, /fd00:1::100 dev eth0\s+proxy/, /proxy_ndp:1/],
  },
  {
    name: "the host's own addresses",
    model: ownAddress,
    shows: [
      /^0:\s+from all to 10\.1\.0\.1 ipproto tcp dport 80 lookup 1979/m,
      /^0:\s+from all to 10\.1\.0\.1 ipproto udp dport 53 lookup 1979/m,
      /^0:\s+from all to fd00:1::1 ipproto tcp dport 80 lookup 1979/m,
      /^1:\s+from all lookup local/m,
    ],
  },
  { name: 'all of them at once', model: everything, shows: [/^1:\s+from all lookup local/m, /proxy_ndp:1/] },
];

describe.skipIf(!canRun)('host plumbing in a real kernel', () => {
  for (const { name, model: wanted, shows } of cases) {
    for (const isPlain of [false, true]) {
      test(`${name}${isPlain ? ', without nftables' : ''}: set up, and exactly undone`, async () => {
        const before = await snapshot();
        const system = isPlain ? withoutNft(director.system()) : director.system();
        const host = await prepareHost(
          wanted,
          { name: 'vsnat0', index: await indexOf('vsnat0') },
          { log, system },
        );
        const during = await snapshot();
        for (const pattern of shows) expect(during).toMatch(pattern);
        if (!isPlain) expect(during).toContain('10.2.1.2 . tcp . 8080');
        await host.close();
        expect(await snapshot()).toBe(before);
        expect(warnings.filter((warning) => !warning.includes('nftables is missing'))).toEqual([]);
      });
    }
  }

  test('a refusal at any step leaves the host as it was', async () => {
    const before = await snapshot();
    const device = { name: 'vsnat0', index: await indexOf('vsnat0') };
    const steps = planHost(everything, device, await readHostState(director.system()));
    const lines = steps.map((step) => step.do).filter((action) => action !== null);
    expect(lines.length).toBeGreaterThan(30);
    for (const [index, action] of lines.entries()) {
      // Every fourth is enough to meet each kind; the unit tests fail each one.
      if (index % 4 !== 0 && index !== lines.length - 1) continue;
      const system = refusing(director.system(), action.tool === 'sysctl' ? action.key : action.line);
      await expect(prepareHost(everything, device, { log, system }), `step ${index}`).rejects.toThrow(
        /injected/,
      );
      expect(await snapshot(), `after a refusal at ${JSON.stringify(action)}`).toBe(before);
    }
  });

  test('a reload applies the difference only, and the end still restores everything', async () => {
    const before = await snapshot();
    const device = { name: 'vsnat0', index: await indexOf('vsnat0') };
    const host = await prepareHost(routed, device, { log, system: director.system() });
    const afterFirst = await snapshot();
    await host.update(everything);
    expect(await snapshot()).toMatch(/^1:\s+from all lookup local/m);
    await host.update(inSubnet);
    const during = await snapshot();
    expect(during).toMatch(/^0:\s+from all lookup local/m);
    expect(during).not.toMatch(/10\.9\.0\.1/);
    await host.update(routed);
    expect((await snapshot()).split('\n').sort()).toEqual(afterFirst.split('\n').sort());
    await host.close();
    await host.close();
    expect(await snapshot()).toBe(before);
  });

  test('a rule for local exists at every moment of an own-address life', async () => {
    const seen: boolean[] = [];
    const inner = director.system();
    // Lines one at a time, with a look at the rules after each.
    const watching: System = {
      ...inner,
      run: async (argv, stdin = '') => {
        if (!argv.includes('-batch')) return inner.run(argv, stdin);
        for (const line of stdin.split('\n').filter((text) => text !== '')) {
          const result = await inner.run(argv, `${line}\n`);
          if (result.status !== 0) return result;
          const rules = await director.must(['ip', argv[1] ?? '-4', 'rule', 'show']);
          seen.push(/^[01]:\s+from all lookup local/m.test(rules));
        }
        return { status: 0, stdout: '', stderr: '' };
      },
    };
    const device = { name: 'vsnat0', index: await indexOf('vsnat0') };
    const host = await prepareHost(ownAddress, device, { log, system: watching });
    await host.close();
    expect(seen.length).toBeGreaterThan(20);
    expect(seen.every(Boolean)).toBe(true);
  });

  test('what a killed director leaves is removed by the next one', async () => {
    const before = await snapshot();
    await prepareHost(
      everything,
      { name: 'vsnat0', index: await indexOf('vsnat0') },
      { log, system: director.system() },
    );
    await director.must(['ip', 'link', 'del', 'dev', 'vsnat0']); // the kernel does this when the last holder dies
    for (const [from, to] of [
      [director, '10.1.0.2'],
      [link, '10.1.0.1'],
    ] as const) {
      // The host still works: a closed port answers at once.
      const tried = await from.run(['timeout', '2', 'bash', '-c', `: </dev/tcp/${to}/9`]);
      expect(tried.stderr).toContain('refused');
    }
    await addTun('vsnat0');
    const host = await prepareHost(
      routed,
      { name: 'vsnat0', index: await indexOf('vsnat0') },
      { log, system: director.system() },
    );
    const during = await snapshot();
    expect(during).toMatch(/^0:\s+from all lookup local/m);
    expect(during).not.toMatch(/proxy proto 118|10\.1\.0\.100/);
    await host.close();
    // proxy_ndp has no owner's mark, so its value from before the crash is not known any more.
    const after = (await snapshot()).replace('proxy_ndp:1', 'proxy_ndp:0');
    expect(after).toBe(before);
  });

  test('two directors share one host, and the last one to leave restores it', async () => {
    const before = await snapshot();
    await addTun('vsnat1');
    const system = director.system();
    const first = await prepareHost(
      model('tcp://10.1.0.1:80', 'tcp://[fd00:1::100]:80'),
      { name: 'vsnat0', index: await indexOf('vsnat0') },
      { log, system },
    );
    const second = await prepareHost(
      model('tcp://10.1.0.1:81', 'tcp://[fd00:1::101]:80'),
      { name: 'vsnat1', index: await indexOf('vsnat1') },
      { log, system },
    );
    await first.close();
    const between = await snapshot();
    expect(between).toMatch(/^1:\s+from all lookup local/m);
    expect(between).toMatch(/^0:\s+from all to 10\.1\.0\.1 ipproto tcp dport 81/m);
    expect(between).not.toMatch(/dport 80/);
    expect(between).toMatch(/proxy_ndp:1/);
    await second.close();
    expect((await snapshot()).replace('proxy_ndp:1', 'proxy_ndp:0')).toBe(before);
    expect(warnings).toEqual([]);
  });

  test('ten thousand VIPs and servers take a handful of processes', async () => {
    const before = await snapshot();
    let processes = 0;
    const inner = director.system();
    const counting: System = { ...inner, run: (argv, stdin) => (processes++, inner.run(argv, stdin)) };
    const many: HostModel = {
      ...routed,
      services: Array.from({ length: 10_000 }, (_, index) =>
        virtualService({
          name: `s${index}`,
          listen: `tcp://10.9.${index >> 8}.${index & 255}:80`,
          servers: [`10.${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:8080`],
        }),
      ),
    };
    const started = performance.now();
    const host = await prepareHost(
      many,
      { name: 'vsnat0', index: await indexOf('vsnat0') },
      { log, system: counting },
    );
    await host.close();
    expect(processes).toBeLessThan(40);
    expect(performance.now() - started).toBeLessThan(30_000);
    expect(await snapshot()).toBe(before);
  });
});

/** The kernel says no to one line (or sysctl), and yes to all else. */
function refusing(system: System, culprit: string): System {
  return {
    ...system,
    run: async (argv, stdin = '') => {
      if (
        argv[0] === 'nft' &&
        argv.includes('-f') &&
        !argv.includes('--check') &&
        stdin.includes(`${culprit}\n`)
      )
        return { status: 1, stdout: '', stderr: 'Error: injected' };
      const lines = stdin.split('\n');
      const at = argv.includes('-batch') && !argv.includes('-force') ? lines.indexOf(culprit) : -1;
      if (at < 0) return system.run(argv, stdin);
      if (at > 0) await system.run(argv, `${lines.slice(0, at).join('\n')}\n`);
      return { status: 1, stdout: '', stderr: `RTNETLINK answers: injected\nCommand failed -:${at + 1}\n` };
    },
    write: (path, text) =>
      path.endsWith(culprit) ? Promise.reject(new Error('injected')) : system.write(path, text),
  };
}
