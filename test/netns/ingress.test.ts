// SPDX-License-Identifier: Apache-2.0
/** Direct ingress: packets that are taken at the interface fare as those the kernel routes, and give way wherever it matters. */
import { expect, test } from 'vitest';
import { vip, at } from './support/lab.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';
import { useWay } from './support/ways.js';

const taken = 'vsnat_device_direct_ingress_packets_total';

suite('Direct ingress', () => {
  const lab = useLab({ config: { tun: { ingress: 'auto' } } });
  const {
    packets: takenPackets,
    requests,
    shareWhile,
    status,
    testsThatItCarriesNearlyEverything,
  } = useWay(lab, [taken], ['vsnat_queue_packets_total', { direction: 'rx' }]);
  const reload = () => lab().daemon.installation.vsnat('reload');

  test('is what a director without firewall rules does, and says from where', async () => {
    expect(await status()).toMatch(/^ingress +direct from (?:\S+, )+\S+$/m);
  });

  testsThatItCarriesNearlyEverything();

  for (const egress of ['direct', 'route'] as const) {
    test(`leaves the director one hop, with egress ${egress}`, async () => {
      const { namespace } = lab().topology.director;
      if (egress === 'route') {
        // An IPsec policy of the way out alone: egress gives way, ingress does not.
        await namespace.ip(['xfrm policy add src 203.0.113.1/32 dst 203.0.113.2/32 dir out action block']);
        await reload();
        expect(await status()).toMatch(/^ingress +direct[^:]*\negress +route: there are IPsec policies/m);
      }
      try {
        const atClient = await lab().captureAtClient('tcp and src host 10.9.0.1');
        const atServer = await lab().captureAt(lab().server(0), 'tcp and dst port 8080');
        const share = await shareWhile(() => requests(6));
        expect(share).toBeGreaterThan(0.9);
        for (const capture of [atClient, atServer]) {
          const packets = await capture.stop();
          expect(packets.length).toBeGreaterThan(3);
          expect(new Set(packets.map(({ hopLimit }) => hopLimit))).toEqual(new Set([63]));
        }
      } finally {
        await namespace.ip(['xfrm policy flush']);
        await reload();
      }
    });
  }

  test('takes no packet whose last hop this is', async () => {
    const { client } = lab();
    const before = await takenPackets();
    const heard = await client.must([
      'python3',
      '-c',
      `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
s.settimeout(5)
s.connect(('${vip.v4}', ${vip.udp}))
s.send(b'one hop')
try:
    s.recv(100)
except OSError as error:
    print(error.errno)`,
    ]);
    expect(heard.trim()).toBe('113'); // EHOSTUNREACH: time exceeded
    expect(await takenPackets()).toBe(before);
  });

  test('leaves pieces of datagrams to the kernel, which has them delivered', async () => {
    const to = at(vip.v4, vip.udp);
    const share = await shareWhile(async () => {
      const result = await lab().load('udp', { to, size: 4000, datagrams: 20, seconds: 10 });
      expect(result.received).toBe(20);
    });
    expect(share).toBe(0);
  });

  test('gives way to a rule at PREROUTING with the next reload, and comes back when it is gone', async () => {
    const { namespace } = lab().topology.director;
    await namespace.must(['nft', '-f', '-'], {
      input:
        'table inet fw {\n chain before {\n type filter hook prerouting priority 0;\n counter accept\n }\n}\n',
    });
    await reload();
    const text = /^ingress +route: chain before of table inet fw has rules at prerouting$/m;
    expect(await status()).toMatch(text);
    const before = await takenPackets();
    await requests(20);
    expect(await takenPackets()).toBe(before);
    expect(await namespace.must(['nft', 'list', 'chain', 'inet', 'fw', 'before'])).toMatch(
      /packets [1-9]\d{2}/,
    );

    await namespace.must(['nft', 'delete', 'table', 'inet', 'fw']);
    await reload();
    expect(await status()).toMatch(/^ingress +direct from/m);
    await requests(20);
    expect(await takenPackets()).toBeGreaterThan(before);
  });

  test('leaves an interface alone that filters strictly, and takes from the others', async () => {
    const { topology } = lab();
    const { namespace } = topology.director;
    const key = `net.ipv4.conf.${topology.clientDevice}.rp_filter`;
    await namespace.sysctl({ 'net.ipv4.conf.all.rp_filter': 0, [key]: 1 });
    await reload();
    expect(await status()).toMatch(
      new RegExp(`^ingress +direct from .*: ${topology.clientDevice} filters strictly by reverse path`, 'm'),
    );
    const share = await shareWhile(() => requests(50));
    expect(share).toBeGreaterThan(0.2); // replies
    expect(share).toBeLessThan(0.8); // not requests
    await namespace.sysctl({ [key]: 0 });
    await reload();
    expect(await shareWhile(() => requests(50))).toBeGreaterThan(0.95);
  });

  test('finds an interface that came later', async () => {
    const { namespace } = lab().topology.director;
    await namespace.ip(['link add late0 type veth peer name late1']);
    await until('it is one of them', async () => /^ingress +direct from .*late0/m.test(await status()));
    await namespace.ip(['link del late0']);
    await until('it is none of them', async () => !(await status()).includes('late0'));
    expect(await requests(20)).toMatchObject({ answered: 20, failed: 0 });
  });

  test('is gone with the daemon: who then has the address is heard', async () => {
    const { client, topology } = lab();
    const { namespace } = topology.director;
    await lab().stopDaemon();
    await namespace.ip([`address add ${vip.v4}/32 dev lo`]);
    const listener = namespace.spawn(['python3', '-m', 'http.server', String(vip.http), '-d', '/var/empty']);
    try {
      await until('the listener answers', async () => {
        const { stdout } = await client.run(['curl', '-sI', '-m', '2', `http://${at(vip.v4, vip.http)}/`]);
        return /^Server: SimpleHTTP/m.test(stdout);
      });
    } finally {
      await listener.stop('SIGKILL');
      await namespace.ip([`address del ${vip.v4}/32 dev lo`]);
      await lab().startDaemon();
    }
    expect(await requests(3)).toMatchObject({ answered: 3, failed: 0 });
  });
});
