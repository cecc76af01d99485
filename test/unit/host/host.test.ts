// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prepareHost, type HostLog, type HostModel } from '../../../src/host/index.js';
import { planHost } from '../../../src/host/plan.js';
import { readHostState } from '../../../src/host/state.js';
import { virtualService, type IpAddress } from '../../../src/model/index.js';
import { check } from '../director/played.js';
import { FakeKernel, type FakeLink } from './fake-kernel.js';

const links: readonly FakeLink[] = [
  { name: 'lo', index: 1, addresses: ['127.0.0.1/8', '::1/128'] },
  { name: 'eth0', index: 2, addresses: ['10.1.0.1/24', 'fd00:1::1/64'] },
  { name: 'eth1', index: 3, addresses: ['10.2.1.1/24'] },
  { name: 'vsnat0', index: 7, kind: 'tun' },
];
const device = { name: 'vsnat0', index: 7 };
const table = 0x76000007;

const log: HostLog = { info: () => undefined, warn: () => undefined };

const model = (
  ...services: readonly (readonly [listen: string | string[], ...servers: string[]])[]
): HostModel => ({
  tun: { name: 'vsnat0', mtu: 65535 },
  services: services.map(([listen, ...servers], index) =>
    virtualService({ name: `s${index}`, listen, servers }),
  ),
});

async function linesOf(wanted: HostModel, kernel = new FakeKernel(links)): Promise<readonly string[]> {
  return planHost(wanted, device, await readHostState(kernel)).map((step) => {
    if (step.do === null) return `(${step.id})`;
    if (step.do.tool === 'sysctl') return `${step.do.key}=${step.do.value}`;
    return step.do.tool === 'ip'
      ? `-${step.do.version} ${step.do.line}`
      : (step.do.line.split('\n', 1)[0] ?? '');
  });
}

const deviceLines = [
  '-4 link set dev vsnat0 mtu 65535 txqueuelen 5000 addrgenmode none',
  '-4 address replace 127.118.0.1/32 dev vsnat0 scope host',
  'net/ipv4/conf/vsnat0/rp_filter=2',
  'net/ipv4/conf/vsnat0/accept_local=1',
  'net/ipv4/conf/vsnat0/forwarding=1',
];
const deviceLines6 = [
  'net/ipv6/conf/vsnat0/disable_ipv6=0',
  'net/ipv6/conf/vsnat0/accept_ra=0',
  'net/ipv6/conf/vsnat0/forwarding=1',
];
const up = '-4 link set dev vsnat0 up';

describe('the plan', () => {
  test('without services only prepares the device', async () => {
    expect(await linesOf(model())).toEqual([...deviceLines, up]);
  });

  test('of a routed IPv4 VIP marks replies and routes requests', async () => {
    expect(await linesOf(model(['tcp://10.9.0.1:80', '10.2.1.2:8080']))).toEqual([
      ...deviceLines,
      up,
      'table inet vsnat_vsnat0 {',
      'add element inet vsnat_vsnat0 servers4 { 10.2.1.2 . tcp . 8080 }',
      'add element inet vsnat_vsnat0 addresses4 { 10.2.1.2 }',
      `-4 route add default dev vsnat0 table ${table} protocol 118`,
      `-4 rule add pref 118 fwmark 0x76000007 lookup ${table} protocol 118`,
      '-4 route add 10.9.0.1/32 dev vsnat0 protocol 118',
    ]);
  });

  test('marks the replies of sorry servers before anybody needs them', async () => {
    const service = virtualService({
      name: 'web',
      listen: 'tcp://10.9.0.1:80',
      servers: ['10.2.1.2:8080'],
      sorryServers: ['10.2.1.9:80'],
    });
    const lines = await linesOf({ ...model(), services: [service] });
    expect(lines).toContain('add element inet vsnat_vsnat0 servers4 { 10.2.1.9 . tcp . 80 }');
    expect(lines).toContain('add element inet vsnat_vsnat0 addresses4 { 10.2.1.9 }');
  });

  test('of checks through a VIP gives their source a route, a neighbour where one is needed, and a table of its own', async () => {
    const sources = 0x77000007;
    const service = (listen: string, server: string, source: string) =>
      virtualService({
        name: server,
        listen,
        servers: [server],
        health: [{ ...check, through: 'vip', source: source as IpAddress }],
      });
    const wanted: HostModel = {
      ...model(),
      services: [
        service('tcp://10.9.0.1:80', '10.2.1.2:80', '10.2.1.250'),
        service('tcp://[fd00:9::1]:80', '[fd00:2::2]:80', 'fd00:118::1'),
      ],
    };
    const lines = await linesOf(wanted);
    expect(lines.filter((line) => /10\.2\.1\.250|fd00:118::1/.test(line))).toEqual([
      `-4 route add local 10.2.1.250 dev vsnat0 table ${sources} protocol 118`,
      `-4 rule add pref 116 to 10.2.1.250 iif vsnat0 lookup ${sources} protocol 118`,
      `-6 route add local fd00:118::1 dev vsnat0 table ${sources} protocol 118`,
      `-6 rule add pref 116 to fd00:118::1 iif vsnat0 lookup ${sources} protocol 118`,
      '-4 route add 10.2.1.250/32 dev vsnat0 protocol 118',
      '-6 route add fd00:118::1/128 dev vsnat0 protocol 118',
      '-4 neigh add proxy 10.2.1.250 dev eth1 protocol 118',
    ]);
    const kernel = new FakeKernel(links);
    const before = kernel.snapshot();
    const host = await prepareHost(wanted, device, { log, system: kernel });
    await host.check();
    expect(host.trouble()).toBeNull();
    kernel.rules[4] = kernel.rules[4].filter(({ body }) => !body.includes('10.2.1.250'));
    kernel.routes.delete(`6 local fd00:118::1 dev vsnat0 table ${sources} protocol 118`);
    await host.check();
    expect(kernel.rules[4].some(({ body }) => body.includes('to 10.2.1.250 iif vsnat0'))).toBe(true);
    expect([...kernel.routes].some((route) => route.includes('local fd00:118::1'))).toBe(true);
    await host.close();
    expect(kernel.snapshot()).toBe(before);
    const own = { ...wanted, services: [service('tcp://10.9.0.1:80', '10.2.1.2:80', '10.2.1.1')] };
    await expect(linesOf(own)).rejects.toThrow(
      "host: 10.2.1.1 is this host's own address, and health checks `through: vip` are to come from it",
    );
  });

  test('of an FTP service marks whatever its servers send over TCP', async () => {
    const ftp = (listen: string, server: string): HostModel['services'][number] =>
      virtualService({ name: server, listen, servers: [server], helper: 'ftp' });
    const wanted: HostModel = {
      ...model(),
      services: [ftp('tcp://10.9.0.1:21', '10.2.1.2:21'), ftp('tcp://[fd00:9::1]:21', '[fd00:2::2]:21')],
    };
    const lines = await linesOf(wanted);
    expect(lines.filter((line) => line.includes('whole'))).toEqual([
      'add element inet vsnat_vsnat0 whole4 { 10.2.1.2 . tcp }',
      'add element inet vsnat_vsnat0 whole6 { fd00:2::2 . tcp }',
    ]);
    const withoutNft = await linesOf(wanted, new FakeKernel(links, { hasNft: false }));
    expect(withoutNft).toContain(
      `-4 rule add pref 118 from 10.2.1.2 ipproto tcp lookup ${table} protocol 118`,
    );
    expect(withoutNft).toContain(
      `-6 rule add pref 118 from fd00:2::2 ipproto tcp lookup ${table} protocol 118`,
    );
  });

  test('of an IPv6 VIP in a subnet makes the interface answer for it', async () => {
    expect(await linesOf(model(['tcp://[fd00:1::80]:80', '[fd00:2::2]:8080']))).toEqual([
      ...deviceLines,
      ...deviceLines6,
      up,
      'table inet vsnat_vsnat0 {',
      'add element inet vsnat_vsnat0 servers6 { fd00:2::2 . tcp . 8080 }',
      'add element inet vsnat_vsnat0 addresses6 { fd00:2::2 }',
      `-6 route add default dev vsnat0 table ${table} protocol 118`,
      `-6 rule add pref 118 fwmark 0x76000007 lookup ${table} protocol 118`,
      '-6 route add fd00:1::80/128 dev vsnat0 protocol 118',
      'net/ipv6/conf/eth0/proxy_ndp=1',
      '-6 neigh add proxy fd00:1::80 dev eth0 protocol 118',
    ]);
  });

  test("of the host's own address diverts one protocol and port, ahead of local, which is never absent", async () => {
    const lines = await linesOf(model([['tcp://10.1.0.1:80', 'udp://10.1.0.1:53'], '10.2.1.2:8080']));
    expect(lines.slice(deviceLines.length + 1)).toEqual([
      'table inet vsnat_vsnat0 {',
      'add element inet vsnat_vsnat0 servers4 { 10.2.1.2 . tcp . 8080 }',
      'add element inet vsnat_vsnat0 servers4 { 10.2.1.2 . udp . 8080 }',
      'add element inet vsnat_vsnat0 addresses4 { 10.2.1.2 }',
      'add element inet vsnat_vsnat0 own4 { 10.1.0.1 }',
      `-4 route add default dev vsnat0 table ${table} protocol 118`,
      '-4 rule add pref 1 lookup 255 protocol 2',
      '-4 rule add pref 0 iif vsnat0 goto 1 protocol 118',
      `-4 rule add pref 118 fwmark 0x76000007 lookup ${table} protocol 118`,
      `-4 rule add pref 0 to 10.1.0.1 fwmark 0x76000007 ipproto icmp lookup ${table} protocol 118`,
      `-4 rule add pref 0 to 10.1.0.1 ipproto tcp dport 80 lookup ${table} protocol 118`,
      `-4 rule add pref 0 to 10.1.0.1 ipproto udp dport 53 lookup ${table} protocol 118`,
      '-4 rule del pref 0 lookup 255 protocol 2',
    ]);
  });

  test('of a service on every port takes all that a server sends of its protocol', async () => {
    const whole = {
      tun: { name: 'vsnat0', mtu: 65535 },
      services: [
        virtualService({ name: 'w', listen: 'tcp://10.9.0.1', servers: ['10.2.1.2:0'], persistence: {} }),
        virtualService({ name: 'd', listen: 'udp://10.9.0.1:53', servers: ['10.2.1.2:0'] }),
      ],
    };
    const lines = await linesOf(whole);
    expect(lines).toContain('add element inet vsnat_vsnat0 whole4 { 10.2.1.2 . tcp }');
    expect(lines).toContain('add element inet vsnat_vsnat0 servers4 { 10.2.1.2 . udp . 53 }');
    const plain = await linesOf(whole, new FakeKernel(links, { hasNft: false }));
    expect(plain).toContain(`-4 rule add pref 118 from 10.2.1.2 ipproto tcp lookup ${table} protocol 118`);
  });

  test("never takes every port of the host's own address", async () => {
    const whole = {
      tun: { name: 'vsnat0', mtu: 65535 },
      services: [virtualService({ name: 'w', listen: 'tcp://10.1.0.1', servers: [], mark: 7 })],
    };
    await expect(linesOf(whole)).rejects.toThrow(
      "host: 10.1.0.1 is this host's own address, and a service on every tcp port of it would take the host its own (ssh, for one); list the ports",
    );
  });

  test('without nftables has one rule per real server, behind one that keeps packets from circling', async () => {
    const kernel = new FakeKernel(links, { hasNft: false });
    expect(
      (await linesOf(model(['tcp://10.9.0.1:80', '10.2.1.2:8080']), kernel)).slice(deviceLines.length + 1),
    ).toEqual([
      `-4 route add default dev vsnat0 table ${table} protocol 118`,
      '-4 rule add pref 117 iif vsnat0 lookup main protocol 118',
      `-4 rule add pref 118 from 10.2.1.2 ipproto tcp sport 8080 lookup ${table} protocol 118`,
      `-4 rule add pref 118 from 10.2.1.2 ipproto icmp lookup ${table} protocol 118`,
      '-4 route add 10.9.0.1/32 dev vsnat0 protocol 118',
    ]);
  });

  test('leaves a rule for local that someone else has moved where it is', async () => {
    const kernel = new FakeKernel(links);
    kernel.rules[4][0] = { preference: 100, body: 'lookup 255', protocol: '2' };
    const lines = await linesOf(model(['tcp://10.1.0.1:80', '10.2.1.2:8080']), kernel);
    expect(lines.some((line) => line.includes('lookup 255'))).toBe(false);
    expect(lines).toContain('-4 rule add pref 0 iif vsnat0 goto 100 protocol 118');
  });

  test("leaves somebody else's proxy neighbour alone", async () => {
    const kernel = new FakeKernel(links);
    kernel.proxies.set('10.1.0.80 eth0', '4');
    const lines = await linesOf(model(['tcp://10.1.0.80:80', '10.2.1.2:8080']), kernel);
    expect(lines.filter((line) => line.includes('neigh'))).toEqual([]);
  });

  test('names two servers of two services on one RIP and port once', async () => {
    const lines = await linesOf(
      model(['tcp://10.9.0.1:80', '10.2.1.2:8080'], ['tcp://10.9.0.2:80', '10.2.1.2:8080']),
    );
    expect(lines.filter((line) => line.includes('servers4'))).toHaveLength(1);
    expect(new Set(lines).size).toBe(lines.length);
  });
});

const everything = model(
  ['tcp://10.9.0.1:80', '10.2.1.2:8080', '10.2.1.3:8080'],
  ['udp://10.1.0.80:53', '10.2.1.2:53'],
  [['tcp://10.1.0.1:80', 'tcp://10.1.0.1:81'], '10.2.1.2:8080'],
  ['tcp://[fd00:1::80]:80', '[fd00:2::2]:8080'],
  ['tcp://[fd00:1::1]:80', '[fd00:2::2]:8080'],
);

const hasLocal = (kernel: FakeKernel): boolean =>
  ([4, 6] as const).every((version) => kernel.rules[version].some((rule) => rule.body === 'lookup 255'));

describe('applying and undoing', () => {
  for (const hasNft of [true, false]) {
    const name = hasNft ? 'with nftables' : 'without nftables';

    test(`${name}: a refusal at any step at all leaves the host as it was`, async () => {
      const counting = new FakeKernel(links, { hasNft });
      let count = 0;
      counting.refuse = () => (count++, false);
      await prepareHost(everything, device, { log, system: counting });
      expect(count).toBeGreaterThan(25);
      for (let failing = 0; failing < count; failing++) {
        const kernel = new FakeKernel(links, { hasNft });
        const before = kernel.snapshot();
        let seen = 0;
        kernel.refuse = () => seen++ === failing;
        kernel.observe = () => expect(hasLocal(kernel)).toBe(true);
        await expect(prepareHost(everything, device, { log, system: kernel })).rejects.toMatchObject({
          code: 'VSNAT_HOST_REFUSED',
          message: expect.stringMatching(/injected|EINVAL/) as string,
        });
        expect(kernel.snapshot(), `refusal ${failing}`).toBe(before);
      }
    });

    test(`${name}: any sequence of reloads followed by a stop is the identity, and local is always there`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(arbitraryModel(), { minLength: 1, maxLength: 4 }), async (models) => {
          const kernel = new FakeKernel(links, { hasNft });
          const before = kernel.snapshot();
          kernel.observe = () => expect(hasLocal(kernel)).toBe(true);
          const [first, ...rest] = models;
          if (first === undefined) return;
          const host = await prepareHost(first, device, { log, system: kernel });
          for (const next of rest) {
            await host.update(next);
            // A reload ends where a fresh start with the same model would.
            const fresh = new FakeKernel(links, { hasNft });
            await prepareHost(next, device, { log, system: fresh });
            expect(sorted(kernel)).toEqual(sorted(fresh));
          }
          await host.close();
          expect(kernel.snapshot()).toBe(before);
        }),
        { numRuns: 60 },
      );
    });
  }

  test('a refused reload leaves the running set-up in place', async () => {
    const kernel = new FakeKernel(links);
    const host = await prepareHost(model(['tcp://10.9.0.1:80', '10.2.1.2:8080']), device, {
      log,
      system: kernel,
    });
    const running = kernel.snapshot();
    kernel.refuse = (line) => line.startsWith('route add 10.9.0.2');
    await expect(host.update(model(['tcp://10.9.0.2:80', '10.2.1.9:8080']))).rejects.toThrow(
      'host: ip -4 route add 10.9.0.2/32 dev vsnat0 protocol 118 failed, got "RTNETLINK answers: injected"; ' +
        'everything done so far was undone',
    );
    expect(kernel.snapshot()).toBe(running);
  });

  test('a reload that changes nothing runs nothing', async () => {
    const kernel = new FakeKernel(links);
    const host = await prepareHost(everything, device, { log, system: kernel });
    kernel.refuse = () => true;
    await host.update(everything);
  });

  test('a stop goes on when things are gone already', async () => {
    const kernel = new FakeKernel(links);
    const warnings: string[] = [];
    const recording = { ...log, warn: (message: string) => warnings.push(message) };
    const host = await prepareHost(everything, device, { log: recording, system: kernel });
    kernel.routes.clear();
    kernel.tables.clear();
    await host.close();
    expect(kernel.proxies.size).toBe(0);
    expect(warnings).toEqual([]);
  });

  test('leftovers of a crash are removed, a living neighbour director is not', async () => {
    const kernel = new FakeKernel([...links, { name: 'vsnat1', index: 9, kind: 'tun' }]);
    const before = kernel.snapshot();
    const neighbour = await prepareHost(
      model(['tcp://10.1.0.1:443', '10.2.1.2:8443']),
      { name: 'vsnat1', index: 9 },
      { log, system: kernel },
    );
    const alone = sorted(kernel);
    await prepareHost(everything, { name: 'vsnat0', index: 6 }, { log, system: kernel });
    // The crash: the kernel removes the device and its routes, nothing else.
    for (const route of kernel.routes) if (route.includes('vsnat0')) kernel.routes.delete(route);
    const host = await prepareHost(model(), device, { log, system: kernel });
    const settled = sorted(kernel).filter((line) => !line.includes('proxy_ndp'));
    expect(settled).toEqual(alone.filter((line) => !line.includes('proxy_ndp')));
    await host.close();
    await neighbour.close();
    expect(kernel.snapshot().replace(/"1\\n"/g, '"0\\n"')).toBe(before);
  });

  test('forwarding that is off is refused with the command that turns it on', async () => {
    const kernel = new FakeKernel(links);
    kernel.files.set('/proc/sys/net/ipv4/ip_forward', '0\n');
    await expect(prepareHost(everything, device, { log, system: kernel })).rejects.toThrow(
      'host: the kernel does not forward IPv4 packets, got net.ipv4.ip_forward=0; run: sysctl -w net.ipv4.ip_forward=1',
    );
    expect(kernel.runs).toEqual([]);
    await prepareHost(model(), device, { log, system: kernel }); // no services, nothing to forward
  });

  test('ten thousand VIPs cost a fixed number of processes', async () => {
    const kernel = new FakeKernel(links);
    const many = Array.from(
      { length: 10_000 },
      (_, i) => [`tcp://10.9.${i >> 8}.${i & 255}:80`, '10.2.1.2:80'] as const,
    );
    const host = await prepareHost(model(...many.map(([a, b]) => [a, b] as const)), device, {
      log,
      system: kernel,
    });
    await host.close();
    expect(kernel.routes.size).toBe(0);
    expect(kernel.runs.length).toBeLessThan(30);
  });
});

/** State as a sorted list of lines: objects without an order of their own may have been made in another order. */
function sorted(kernel: FakeKernel): readonly string[] {
  const rules = ([4, 6] as const).flatMap((v) => kernel.rules[v].map((r) => `rule${v} ${JSON.stringify(r)}`));
  const elements = [...kernel.tables].flatMap(([name, set]) => [
    name,
    ...[...set].map((e) => `${name} ${e}`),
  ]);
  const sysctls = [...kernel.files]
    .filter(([path]) => path.endsWith('proxy_ndp'))
    .map((pair) => pair.join('='));
  return [...rules, ...elements, ...kernel.routes, ...[...kernel.proxies].map(String), ...sysctls].sort();
}

function arbitraryModel(): fc.Arbitrary<HostModel> {
  const port = fc.constantFrom(53, 80, 443);
  const protocol = fc.constantFrom('tcp', 'udp');
  const service = (vips: string[], rips: string[]): fc.Arbitrary<readonly [string[], ...string[]]> =>
    fc
      .tuple(
        fc.array(fc.tuple(protocol, fc.constantFrom(...vips), port), { minLength: 1, maxLength: 3 }),
        fc.array(fc.tuple(fc.constantFrom(...rips), port), { maxLength: 3 }),
      )
      .map(([listen, servers]) => [
        listen.map(([p, a, n]) => `${p}://${a}:${n}`),
        ...servers.map((s) => s.join(':')),
      ]);
  return fc
    .array(
      fc.oneof(
        service(['10.9.0.1', '10.1.0.80', '10.1.0.1', '10.2.1.1'], ['10.2.1.2', '10.2.1.3']),
        service(['[fd00:9::1]', '[fd00:1::80]', '[fd00:1::1]'], ['[fd00:2::2]', '[fd00:2::3]']),
      ),
      { maxLength: 4 },
    )
    .map((services) => model(...services));
}
