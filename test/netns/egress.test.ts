// SPDX-License-Identifier: Apache-2.0
/** Direct egress: packets that leave as frames arrive as those the kernel routes, and give way wherever it matters. */
import { expect, test } from 'vitest';
import { vip, at } from './support/lab.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';
import { useWay } from './support/ways.js';

const direct = 'vsnat_queue_direct_packets_total';

suite('Direct egress', () => {
  const lab = useLab({ config: { tun: { egress: 'auto' } } });
  const {
    packets: directPackets,
    requests,
    shareWhile,
    status,
    testsThatItCarriesNearlyEverything,
  } = useWay(lab, [direct], ['vsnat_queue_forwarded_total']);

  test('is what a director without firewall rules does, and says so', async () => {
    expect(await status()).toMatch(/^egress +direct$/m);
  });

  testsThatItCarriesNearlyEverything();

  test('leaves the director one hop', async () => {
    const { client } = lab();
    const capture = await lab().captureAtClient('tcp and src host 10.9.0.1');
    await client.must(['curl', '-s', '-m', '5', `http://${at(vip.v4, vip.http)}/`]);
    const packets = await capture.stop();
    expect(packets.length).toBeGreaterThan(3);
    expect(new Set(packets.map(({ hopLimit }) => hopLimit))).toEqual(new Set([63]));
  });

  test('takes nothing from a client that no route leads back to, as the device takes nothing', async () => {
    const { client, topology } = lab();
    const nobody = '192.0.2.77';
    const heard = async (): Promise<number> => {
      const tables = await Promise.all(
        topology.servers.map(({ namespace }) => namespace.must(['cat', '/proc/net/snmp'])),
      );
      const counts = tables.map((table) => /^Udp: (\d+)/m.exec(table)?.[1]);
      return counts.reduce((sum, count) => sum + Number(count), 0);
    };
    const send = (from: string) =>
      client.must([
        'python3',
        '-c',
        `import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('${from}', 0))
for i in range(20):
    s.sendto(b'nobody can answer this', ('${vip.v4}', ${vip.udp}))
    time.sleep(0.05)`,
      ]);
    // So that they get as far as the device, which filters for itself.
    await topology.director.namespace.sysctl({
      'net.ipv4.conf.all.rp_filter': 0,
      [`net.ipv4.conf.${topology.clientDevice}.rp_filter`]: 0,
    });
    await client.ip([`address add ${nobody}/32 dev lo`]);
    try {
      const before = await heard();
      // One connection each, in turn, so that the way to every server is known.
      const eachServer = async (from: string): Promise<void> => {
        for (let i = 0; i < topology.servers.length; i++) await send(from);
      };
      await eachServer(topology.client.ipv4);
      expect(await heard()).toBe(before + 20 * topology.servers.length);
      expect(await shareWhile(() => send(topology.client.ipv4))).toBeGreaterThan(0.8);
      const known = await heard();
      await eachServer(nobody);
      expect(await heard()).toBe(known);
    } finally {
      await client.ip([`address del ${nobody}/32 dev lo`]);
    }
  });

  test('gives way to a rule at FORWARD with the next reload, and comes back when it is gone', async () => {
    const { namespace } = lab().topology.director;
    await namespace.must(['nft', '-f', '-'], {
      input:
        'table inet fw {\n chain before {\n type filter hook forward priority 0;\n counter accept\n }\n}\n',
    });
    await lab().daemon.installation.vsnat('reload');
    expect(await status()).toMatch(/^egress +route: chain before of table inet fw has rules at forward$/m);
    const before = await directPackets();
    await requests(20);
    expect(await directPackets()).toBe(before);
    expect(await namespace.must(['nft', 'list', 'chain', 'inet', 'fw', 'before'])).toMatch(
      /packets [1-9]\d{2}/,
    );

    await namespace.must(['nft', 'delete', 'table', 'inet', 'fw']);
    await lab().daemon.installation.vsnat('reload');
    expect(await status()).toMatch(/^egress +direct$/m);
    await requests(20);
    expect(await directPackets()).toBeGreaterThan(before);
  });

  test('gives way to a rule that nobody told it of', async () => {
    const { namespace } = lab().topology.director;
    await namespace.ip(['rule add from 10.1.1.2 lookup main']);
    await until('egress is route', async () =>
      /^egress +route: there is a routing rule/m.test(await status()),
    );
    await namespace.ip(['rule del from 10.1.1.2 lookup main']);
    await until('egress is direct', async () => /^egress +direct$/m.test(await status()));
  });

  test('follows a server that comes back with another MAC address', async () => {
    const server = lab().server(0);
    await requests(10);
    await server.namespace.sysctl({ 'net.ipv4.conf.up0.arp_notify': 1 }); // as hosts do that take an address over
    await server.namespace.ip([
      'link set up0 down',
      'link set up0 address 02:00:00:00:77:01',
      'link set up0 up',
      'route replace default via 10.2.1.1',
    ]);
    await until('every request is answered again', async () => (await requests(9)).failed === 0, {
      timeoutMs: 60_000,
    });
    expect(await directPackets()).toBeGreaterThan(0);
  }, 90_000);

  test('follows a route that changes under it', async () => {
    const { namespace } = lab().topology.director;
    await requests(5);
    for (const change of ['add', 'del']) {
      await namespace.ip([`route ${change} 10.2.2.2/32 dev srv2`]);
      expect(await requests(60)).toMatchObject({ failed: 0 });
      // Who resolves hosts anew may have to wait for a processor; packets meanwhile take the detour.
      await until('nearly all packets leave directly again', async () => {
        const share = await shareWhile(async () => {
          expect(await requests(60)).toMatchObject({ failed: 0 });
        });
        return share > 0.9;
      });
    }
  });

  test('leaves what is too big for the link to the kernel, which says so to the sender', async () => {
    const { namespace } = lab().topology.director;
    await namespace.ip([`link set ${lab().topology.clientDevice} mtu 1300`]);
    const result = await lab().load('stream', {
      to: at(vip.v4, vip.stream),
      bytes: 2 ** 22,
      seconds: 30,
    });
    expect(result).toMatchObject({ failed: 0, badBytes: 0 });
    await namespace.ip([`link set ${lab().topology.clientDevice} mtu 1500`]);
  });
});

suite('Egress by routes', () => {
  const lab = useLab({ config: { tun: { egress: 'route' } } });

  test('sends no frames', async () => {
    const to = at(vip.v4, vip.http);
    expect(await lab().load('http', { to, mode: 'connect', requests: 50 })).toMatchObject({ failed: 0 });
    const metrics = await lab().daemon.metrics();
    expect(metrics.sum(direct)).toBe(0);
    expect((await lab().daemon.installation.vsnat('status')).stdout).toMatch(
      /^egress +route: the configuration says so$/m,
    );
  });
});
