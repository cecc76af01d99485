// SPDX-License-Identifier: Apache-2.0
/** Shortcuts while everything around them changes: rules, routes, links, servers, and the daemon itself. */
import { afterEach, beforeAll, expect, test } from 'vitest';
import { protocolNumbers } from './support/capture.js';
import { Daemon } from './support/daemon.js';
import { addressOf, at, families, standardServices, vip, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import { Steady, type SteadyOptions } from './support/steady.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';
import { useWay } from './support/ways.js';

const taken = 'vsnat_queue_shortcut_packets_total';
const talkPort = 700;

suite('Shortcuts while the host changes', () => {
  const lab = useLab({ servers: 1 });
  const { packets: takenPackets, shareWhile, status } = useWay(lab, [taken], ['vsnat_queue_forwarded_total']);
  const director = () => lab().topology.director.namespace;
  const server = () => lab().server(0).namespace;
  const reload = () => lab().daemon.installation.vsnat('reload');
  const ones: Steady[] = [];

  const talking = () =>
    families.map((family) => ({
      name: `talk-${family}`,
      listen: `tcp://${at(vip[family], talkPort)}`,
      servers: [at(addressOf(lab().server(0), family), ports.talk)],
    }));
  const startAll = async (options: Partial<SteadyOptions> = {}): Promise<readonly Steady[]> => {
    for (const family of families)
      ones.push(await Steady.start(lab().client, { address: vip[family], port: talkPort, ...options }));
    return ones;
  };
  const allAgain = () => Promise.all(ones.map((one) => one.again()));
  /** They go on until nearly everything they say takes the shortcut. */
  const untilTheyAreBack = () =>
    until('them to take the shortcut', async () => (await shareWhile(allAgain)) > 0.7);

  beforeAll(async () => {
    await lab().daemon.reload({ services: [...standardServices(lab().topology.servers), ...talking()] });
  });
  afterEach(async () => {
    for (const one of ones.splice(0)) await one.close();
  });

  for (const hook of ['forward', 'prerouting']) {
    test(`give way to a rule at ${hook} at once, and come back when it is gone`, async () => {
      await startAll();
      await untilTheyAreBack();
      const to = at(vip.v4, vip.http);
      const kept = await lab().startLoad('http', { to, connections: 2, seconds: 600 });
      const start = await takenPackets();
      await until('it to take the shortcut as well', async () => (await takenPackets()) > start + 1000);
      await director().must([
        'nft',
        `add table inet fw; add chain inet fw before { type filter hook ${hook} priority 0; }; add rule inet fw before counter accept`,
      ]);
      await reload();
      expect(await status()).toMatch(/^shortcuts +none: they need both ways direct$/m);
      const ruled = async (): Promise<number> =>
        Number(/packets (\d+)/.exec(await director().must(['nft', 'list', 'table', 'inet', 'fw']))?.[1]);
      const [before, ruledBefore] = [await takenPackets(), await ruled()];
      await allAgain();
      expect(await takenPackets()).toBe(before);
      // Every message and every echo, with what the requests add to it.
      expect((await ruled()) - ruledBefore).toBeGreaterThanOrEqual(400);
      await director().must(['nft', 'delete', 'table', 'inet', 'fw']);
      await reload();
      await untilTheyAreBack();
      kept.process.signal('SIGTERM');
      expect(await kept.result()).toMatchObject({ failed: 0 });
    });
  }

  test('follow a route to another gateway, and back', async () => {
    const { ipv4 } = lab().server(0);
    await director().ip([
      `link add alt0 type veth peer name alt1 netns ${server().name}`,
      'addr add 10.3.0.1/24 dev alt0',
      'link set alt0 up',
    ]);
    await server().ip(['addr add 10.3.0.2/24 dev alt1', 'link set alt1 up']);
    await reload(); // finds the interface now, not within ten seconds
    await startAll();
    await untilTheyAreBack();
    const passed = async (direction: 'rx' | 'tx'): Promise<number> =>
      Number(await director().must(['cat', `/sys/class/net/alt0/statistics/${direction}_packets`]));
    const goesBy = async (direction: 'rx' | 'tx'): Promise<boolean> => {
      const before = await passed(direction);
      await allAgain();
      return (await passed(direction)) - before >= 90;
    };
    await director().ip([`route add ${ipv4}/32 via 10.3.0.2 dev alt0`]);
    await until('requests to go by the other link', () => goesBy('tx'));
    expect(await goesBy('rx')).toBe(false);
    await server().ip(['route replace default via 10.3.0.1 dev alt1']);
    await until('replies to come by it as well', () => goesBy('rx'));
    await untilTheyAreBack();
    await director().ip([`route del ${ipv4}/32 via 10.3.0.2 dev alt0`]);
    await until('requests to go by the first link', async () => !(await goesBy('tx')));
    await server().ip(['route replace default via 10.2.1.1 dev up0']);
    await untilTheyAreBack();
    await director().ip(['link del alt0']);
    await untilTheyAreBack();
  });

  test('follow link addresses that change, of the server and of the director itself', async () => {
    await server().sysctl({ 'net.ipv4.conf.up0.arp_notify': 1, 'net.ipv6.conf.up0.ndisc_notify': 1 });
    await director().sysctl({ 'net.ipv4.conf.srv1.arp_notify': 1, 'net.ipv6.conf.srv1.ndisc_notify': 1 });
    await startAll();
    await untilTheyAreBack();
    await server().ip(['link set up0 address 02:00:00:00:77:02']);
    await untilTheyAreBack();
    const own = (await director().must(['cat', '/sys/class/net/srv1/address'])).trim();
    for (const address of ['02:00:00:00:77:03', own]) {
      await director().ip([`link set srv1 address ${address}`]);
      await untilTheyAreBack();
    }
  });

  test('leave a neighbour that is gone to the kernel, which says so, and find it when it is back', async () => {
    const [one] = await startAll();
    await untilTheyAreBack();
    const complaints = async (): Promise<number> => {
      const table = await lab().client.must(['cat', '/proc/net/snmp']);
      const [names, values] = [...table.matchAll(/^Icmp: (.*)$/gm)].map(([, line = '']) => line.split(' '));
      return Number(values?.[names?.indexOf('InDestUnreachs') ?? -1]);
    };
    const before = await complaints();
    await server().ip(['link set up0 arp off']);
    await director().ip(['neigh flush dev srv1']);
    one?.say();
    await until('the client to hear that nobody is there', async () => (await complaints()) > before);
    await server().ip(['link set up0 arp on']);
    await untilTheyAreBack();
  });

  test('go on after a link was down for a moment', async () => {
    const [one] = await startAll();
    await untilTheyAreBack();
    await director().ip(['link set srv1 down']);
    one?.say();
    await director().ip(['link set srv1 up', 'addr replace fd00:2:1::1/64 dev srv1 nodad']);
    await allAgain();
    await untilTheyAreBack();
  });

  for (const side of ['server', 'client'] as const) {
    test(`leave to the kernel what has become too big for the link to the ${side}`, async () => {
      const near = { server: server(), client: lab().client }[side];
      const linkOf = { server: 'srv1', client: lab().topology.clientDevice }[side];
      const resize = async (mtu: number): Promise<void> => {
        await near.ip([`link set up0 mtu ${mtu}`]);
        await director().ip([`link set ${linkOf} mtu ${mtu}`]);
      };
      await startAll({ times: 20, size: 20_000 });
      await untilTheyAreBack();
      const filter = 'icmp or icmp6';
      const capture = await (side === 'server'
        ? lab().captureAtClient(filter)
        : lab().captureAt(lab().server(0), filter));
      await resize(1300);
      await allAgain();
      const told = (await capture.stop()).filter(({ protocol, icmp }) =>
        protocol === protocolNumbers.icmp ? icmp?.type === 3 && icmp.code === 4 : icmp?.type === 2,
      );
      expect(new Set(told.map(({ protocol }) => protocol)).size).toBe(2); // of either family
      for (const { icmp } of told) expect(icmp?.mtu).toBe(1300);
      await untilTheyAreBack();
      await resize(1500);
      for (const namespace of [lab().client, server()])
        await namespace.must(['sh', '-c', 'ip route flush cache; ip -6 route flush cache']);
    });
  }
});

suite('Shortcuts while servers change', () => {
  const timing = { interval: '1s', fast_interval: '100ms', timeout: '1s', rise: 2, fall: 3 };
  const lab = useLab({
    servers: 2,
    scheduler: 'rr',
    prepare: ({ director }) => director.namespace.sysctl({ 'net.ipv4.ping_group_range': '0 0' }),
  });
  const { shareWhile, status } = useWay(lab, [taken], ['vsnat_queue_forwarded_total']);
  const talk = (family: Family, weights: readonly (number | null)[]) => ({
    name: `talk-${family}`,
    listen: `tcp://${at(vip[family], talkPort)}`,
    scheduler: 'rr',
    servers: weights.flatMap((weight, i) =>
      weight === null ? [] : [{ address: at(addressOf(lab().server(i), family), ports.talk), weight }],
    ),
  });
  const configured = (weights: readonly (number | null)[], more: object = {}) => ({
    services: [
      ...standardServices(
        lab().topology.servers.filter((_, i) => weights[i] !== null),
        { scheduler: 'rr' },
      ),
      ...families.map((family) => talk(family, weights)),
    ],
    ...more,
  });
  const start = (family: Family): Promise<Steady> =>
    Steady.start(lab().client, { address: vip[family], port: talkPort });
  const hears = async (index: number, one: Steady): Promise<boolean> => {
    const filter = ['state', 'established', `( dport = :${one.port} )`];
    return (
      (
        await lab()
          .server(index)
          .namespace.must(['ss', '-Htn', ...filter])
      ).trim() !== ''
    );
  };

  test('weight 0 leaves them where they are', async () => {
    for (const family of families) {
      await lab().daemon.reload(configured([1, 1]));
      const one = await start(family);
      const index = (await hears(0, one)) ? 0 : 1;
      await lab().daemon.reload(configured(index === 0 ? [0, 1] : [1, 0]));
      await one.again();
      expect(await shareWhile(() => one.again())).toBeGreaterThan(0.9);
      expect(await hears(index, one)).toBe(true);
      await one.close();
    }
  });

  test('a server that leaves ends its connections with their next packet', async () => {
    for (const family of families) {
      await lab().daemon.reload(configured([1, 1]));
      const both = [await start(family), await start(family)];
      for (const one of both) expect(await shareWhile(() => one.again())).toBeGreaterThan(0.9);
      const [gone, staying] = (await hears(0, both[0] as Steady)) ? both : both.toReversed();
      await lab().daemon.reload(configured([null, 1]));
      gone?.say();
      expect(await gone?.endedBy()).toBe('ConnectionResetError');
      await staying?.again();
      await staying?.close();
    }
  });

  test('datagrams go elsewhere when their server is down, whether they took the shortcut or not', async () => {
    await lab().daemon.reload(configured([1, 1], { health: { type: 'icmp', ...timing } }));
    const up = async (index: number): Promise<number> =>
      (await lab().daemon.metrics()).sum('vsnat_server_up', {
        service: 'udp-v4',
        server: at(lab().server(index).ipv4, ports.udp),
      });
    await until('both to be up', async () => (await up(0)) + (await up(1)) === 2);
    const counted = async (): Promise<readonly number[]> => {
      const metrics = await lab().daemon.metrics();
      return [0, 1].map((index) =>
        metrics.sum('vsnat_server_packets_total', {
          service: 'udp-v4',
          direction: 'in',
          server: at(lab().server(index).ipv4, ports.udp),
        }),
      );
    };
    const handedOver = async (): Promise<number> => (await counted()).reduce((all, one) => all + one, 0);
    const earlier = await handedOver();
    const sent = await lab().startLoad('udp', {
      to: at(vip.v4, vip.udp),
      datagrams: 10_000_000,
      rate: 2000,
      seconds: 600,
    });
    await until('them to take the shortcut', async () => /^shortcuts +[1-9]/m.test(await status()));
    const before = await counted();
    await until('some', async () => (await counted()).some((count, i) => count > (before[i] ?? 0) + 100));
    const after = await counted();
    const index = (after[0] ?? 0) > (before[0] ?? 0) ? 0 : 1;
    const { namespace } = lab().server(index);
    await namespace.must([
      'nft',
      'add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }; add rule inet deaf in icmp type echo-request drop',
    ]);
    try {
      await until('it to be down', async () => (await up(index)) === 0);
      const then = await counted();
      await until(
        'the other to have them',
        async () => ((await counted())[1 - index] ?? 0) > (then[1 - index] ?? 0) + 500,
      );
      sent.process.signal('SIGTERM');
      const { sent: datagrams, lost, byServer } = await sent.result();
      expect((await handedOver()) - earlier).toBe(datagrams);
      // Answers of the first that are under way when the flow becomes the other's are nobody's: of 50 ms at most.
      expect(lost).toBeLessThan(100);
      expect(Object.keys(byServer).toSorted()).toEqual(['rs1', 'rs2']);
    } finally {
      sent.process.signal('SIGTERM');
      await namespace.must(['nft', 'delete', 'table', 'inet', 'deaf']);
    }
    await until('it to be up', async () => (await up(index)) === 1);
  });
});

/** Numbers of the BPF programs, maps and links there are, on the whole machine: namespaces do not divide them. */
const bpfNumbers = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for kind, command in (('program', 11), ('map', 12), ('link', 31)):
    number = 0
    while True:
        attr = (ctypes.c_uint32 * 32)(number)
        if libc.syscall(321, command, attr, ctypes.sizeof(attr)) != 0: break
        number = attr[1]
        print(kind, number)
`;

suite('Shortcuts of a daemon that is killed', () => {
  const lab = useLab({ servers: 1, director: 'none' });
  const start = (): Promise<Daemon> => Daemon.start(lab().topology.director.namespace, lab().config);
  const inTheKernel = async (): Promise<readonly string[]> =>
    (await lab().topology.director.namespace.must(['python3', '-c', bpfNumbers])).trim().split('\n');
  /** Requests on kept connections, until there are shortcuts. */
  const work = async (daemon: Daemon): Promise<void> => {
    const kept = await lab().startLoad('http', { to: at(vip.v4, vip.http), connections: 2, seconds: 600 });
    await until('shortcuts', async () => (await daemon.metrics()).sum('vsnat_device_shortcuts') === 2);
    kept.process.signal('SIGTERM');
    expect(await kept.result()).toMatchObject({ failed: 0 });
  };

  test('are gone with it, and the next one has its own', async () => {
    const first = await start();
    await work(first).finally(async () => {
      const before = await inTheKernel();
      await first.discard(); // kill -9
      // Two programs (steering, ingress), their maps, and the links at two devices.
      await until('what was its own to be gone', async () => {
        const now = new Set(await inTheKernel());
        return before.filter((one) => !now.has(one)).length >= 10;
      });
    });
    const second = await start();
    await work(second).finally(() => second.discard());
  });
});
