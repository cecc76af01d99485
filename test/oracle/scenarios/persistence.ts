// SPDX-License-Identifier: Apache-2.0
/** Clients that come back to their server: templates, masks, port 0, marks. */
import { Conversation, serviceLines } from '../conversation.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';
import type { UdpPacket } from '../packet.js';

type Mark = '' | '-v6';
const over = (mark: Mark): string => `over IPv${mark === '' ? 4 : 6}`;

/** `-A … -s rr -p …` and the servers. */
const persistent = (
  service: string,
  options = '-p 100',
  servers?: readonly string[],
  scheduler = 'rr',
): readonly string[] => serviceLines(service, `${scheduler} ${options}`, servers);

/** The servers of a service on every port have none of their own. */
const everyPort = (service: string): readonly string[] =>
  persistent(service).map((line) => line.replace(/:8080 -m$/, ':0 -m'));

const open = async (
  play: Play,
  client: string,
  port: number,
  text = '>S <SA >A',
  to?: string,
): Promise<Conversation> => {
  const one = new Conversation(play, { client, port, ...(to !== undefined && { to }) });
  await one.say(text);
  return one;
};

const query = (client: string, fields: Partial<UdpPacket> = {}): UdpPacket => ({
  kind: 'udp',
  from: client,
  to: 'vip:53',
  data: 'query',
  ...fields,
});

const scenario = (name: string, play: Scenario['play'], differs?: string): Scenario => ({
  name,
  ...(differs !== undefined && { differs }),
  play,
});

export const persistence: Topic = {
  name: 'persistence',
  scenarios: [
    ...(['', '-v6'] as const).flatMap((mark): Scenario[] => [
      scenario(`A client comes back to its server, another gets the next, ${over(mark)}`, async (play) => {
        await play.ipvsadm(...persistent(`-t vip${mark}:80`));
        await open(play, `client${mark}`, 40_000);
        await open(play, `client${mark}`, 40_001, '>S');
        await open(play, `client2${mark}`, 40_002, '>S');
        await play.connections();
        await open(play, `client2${mark}`, 40_003, '>S <RA');
        await open(play, `client${mark}`, 40_004);
        await open(play, `client3${mark}`, 40_005, '>S');
        await play.connections();
        await play.servers(`-t vip${mark}:80`);
      }),
      scenario(`All clients of a network share a server, ${over(mark)}`, async (play) => {
        await play.ipvsadm(
          ...persistent(`-t vip${mark}:80`, `-p 100 -M ${mark === '' ? '255.255.255.0' : '64'}`),
        );
        for (let i = 0; i < 4; i += 1) await open(play, `client${i + 2}${mark}`, 40_000 + i, '>S');
        await play.connections();
      }),
      scenario(`UDP datagrams of one client stay with one server, ${over(mark)}`, async (play) => {
        await play.ipvsadm(...persistent(`-u vip${mark}:53`));
        const to = `vip${mark}:53`;
        await play.send('client', query(`client${mark}:40000`, { to }));
        await play.connections();
        await play.send('rs3', {
          kind: 'udp',
          from: `rs3${mark}:8080`,
          to: `client${mark}:40000`,
          data: 'answer',
        });
        await play.send('client', query(`client${mark}:40001`, { to }));
        await play.send('client', query(`client2${mark}:40001`, { to }));
        await play.connections();
      }),
      scenario(`A service on every port, ${over(mark)}`, async (play) => {
        await play.ipvsadm(...everyPort(`-t vip${mark}:0`));
        for (const [i, port] of [80, 443, 8080, 22].entries())
          await new Conversation(play, {
            client: `client${mark}`,
            port: 40_000 + i,
            to: `vip${mark}:${port}`,
            realPort: port,
          }).say('>S <SA >A');
        await open(play, `client2${mark}`, 40_000, '>S', `vip${mark}:7`);
        await play.connections();
        await play.servers(`-t vip${mark}:0`);
      }),
    ]),
    scenario('A client stays with a server that is drained', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      await open(play, 'client', 40_000);
      await play.ipvsadm('-e -t vip:80 -r rs3:8080 -m -w 0');
      await open(play, 'client', 40_001);
      await open(play, 'client2', 40_002);
      await open(play, 'client3', 40_003);
      await play.connections();
    }),
    scenario('A client stays with a server at its threshold', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80', '-p 100', ['rs1', 'rs2', 'rs3:8080 -x 1']));
      for (let i = 0; i < 3; i += 1) await open(play, 'client', 40_000 + i);
      for (let i = 0; i < 3; i += 1) await open(play, 'client2', 41_000 + i);
      await play.servers('-t vip:80');
    }),
    scenario('A client whose server was removed gets another', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      await open(play, 'client', 40_000);
      await play.ipvsadm('-d -t vip:80 -r rs3:8080');
      await open(play, 'client', 40_001);
      await play.connections();
    }),
    scenario('A client whose server was removed and came back has it again', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      await open(play, 'client', 40_000);
      await play.ipvsadm('-d -t vip:80 -r rs3:8080', '-a -t vip:80 -r rs3:8080 -m');
      await open(play, 'client', 40_001);
      await play.connections();
    }),
    scenario('Each new connection, and no packet, gives the template its whole time again', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      const one = await open(play, 'client', 40_000);
      await play.wait(6_000);
      await one.say('>AP+10 <A');
      await play.connections(5);
      await open(play, 'client', 40_001, '>S');
      await play.connections(5);
    }),
    scenario('A template that times out while its connections live stays for a minute', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80', '-p 4'));
      await open(play, 'client', 40_000);
      await play.wait(6_000);
      await play.connections();
      await open(play, 'client', 40_001);
      await play.connections();
    }),
    scenario('A template that times out without connections is gone', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80', '-p 12'));
      await open(play, 'client', 40_000, '>S <RA');
      await play.wait(13_500);
      await play.connections();
    }),
    scenario(
      'A SYN from a port in TIME_WAIT goes to the old server: it belongs to a template',
      async (play) => {
        await play.ipvsadm(...persistent('-t vip:80'));
        await open(play, 'client', 40_000, '>S <SA >A >AF <A <AF >A');
        await open(play, 'client', 40_000, '>S');
        await play.connections();
        await play.servers('-t vip:80');
      },
    ),
    scenario('A template is ASSURED once a connection was established', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      const one = await open(play, 'client', 40_000, '>S');
      await play.connections();
      await one.say('<SA');
      await play.connections();
      await open(play, 'client', 40_001, '>S <SA');
      await play.connections();
      await open(play, 'client', 40_002);
      await play.connections();
    }),
    scenario('Persistence switched on and off on a live service', async (play) => {
      await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
      await open(play, 'client', 40_000);
      await play.ipvsadm('-E -t vip:80 -s rr -p 100');
      await open(play, 'client', 40_001);
      await open(play, 'client', 40_002);
      await play.connections();
      await play.ipvsadm('-E -t vip:80 -s rr');
      await open(play, 'client', 40_003);
      await open(play, 'client', 40_004);
      await play.connections();
    }),
    scenario('The timeout changed while a template lives', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      await open(play, 'client', 40_000);
      await play.ipvsadm('-E -t vip:80 -s rr -p 500');
      await open(play, 'client', 40_001);
      await open(play, 'client2', 40_002);
      await play.connections();
    }),
    scenario('The mask changed while a template lives', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      await open(play, 'client', 40_000);
      await play.ipvsadm('-E -t vip:80 -s rr -p 100 -M 255.255.255.0');
      await open(play, 'client', 40_001);
      await open(play, 'client2', 40_002);
      await play.connections();
    }),
    scenario('A persistent service without servers', async (play) => {
      await play.ipvsadm('-A -t vip:80 -s rr -p 100');
      await open(play, 'client', 40_000, '>S');
      await play.connections();
    }),
    scenario('Stray segments make no template', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'));
      for (const flags of ['A', 'FA', 'RA', 'R'])
        await play.send('client', { kind: 'tcp', from: 'client:40000', to: 'vip:80', flags, seq: 1, ack: 1 });
      await play.connections();
    }),
    scenario('Two persistent services of one VIP have templates of their own', async (play) => {
      await play.ipvsadm(...persistent('-t vip:80'), ...persistent('-t vip:443'));
      await open(play, 'client', 40_000, '>S', 'vip:80');
      await open(play, 'client2', 40_001, '>S', 'vip:443');
      await open(play, 'client', 40_002, '>S', 'vip:443');
      await open(play, 'client2', 40_003, '>S', 'vip:80');
      await play.connections();
    }),
    scenario('A service on a port goes before the one on every port', async (play) => {
      await play.ipvsadm(...everyPort('-t vip:0'), ...serviceLines('-t vip:80', 'rr', ['rs1']));
      await open(play, 'client', 40_000, '>S', 'vip:80');
      await open(play, 'client', 40_001, '>S', 'vip:81');
      await open(play, 'client', 40_002, '>S', 'vip:80');
      await play.connections();
    }),
    scenario('A stray segment to a service on every port', async (play) => {
      await play.ipvsadm(...everyPort('-t vip:0'));
      await play.send('client', {
        kind: 'tcp',
        from: 'client:40000',
        to: 'vip:80',
        flags: 'A',
        seq: 1,
        ack: 1,
      });
      await play.send('client', { kind: 'udp', from: 'client:40000', to: 'vip:80', data: 'none' });
      await play.connections();
    }),
    scenario('A UDP service on every port', async (play) => {
      await play.ipvsadm(...everyPort('-u vip:0'));
      await play.send('client', query('client:40000', { to: 'vip:53' }));
      await play.send('client', query('client:40000', { to: 'vip:54' }));
      await play.send('rs3', { kind: 'udp', from: 'rs3:54', to: 'client:40000', data: 'answer' });
      await play.connections();
    }),
    scenario(
      'One client port to two persistent VIPs that share their server',
      async (play) => {
        await play.ipvsadm(
          ...persistent('-t vip:80', '-p 100', ['rs1']),
          ...persistent('-t vip2:80', '-p 100', ['rs1']),
        );
        await open(play, 'client', 40_000);
        await open(play, 'client', 40_001, '>S', 'vip2:80');
        await open(play, 'client', 40_000, '>S', 'vip2:80');
        await play.connections();
      },
      'persistent-reply-tuple',
    ),
    scenario(
      'An FTP service and one on every port of the same VIP, both persistent',
      async (play) => {
        await play.ipvsadm(
          ...persistent('-t vip:21', '-p 100', ['rs1:21']),
          ...everyPort('-t vip:0').filter((line) => !line.includes('rs1')),
        );
        await new Conversation(play, { to: 'vip:21', realPort: 21 }).say('>S');
        await new Conversation(play, { to: 'vip:99', port: 40_001, realPort: 99 }).say('>S');
        await play.connections();
      },
      'persistent-services-apart',
    ),
    ...['wrr', 'wlc', 'sh', 'lc'].map((kind, i) =>
      scenario(`${kind} is asked once per client`, async (play) => {
        await play.ipvsadm(...persistent('-t vip:80', '-p 100', ['rs1:8080 -w 2', 'rs2', 'rs3'], kind));
        for (let k = 0; k < 9; k += 1)
          await open(play, `198.51.100.${150 + (k % 5) + i * 5}`, 42_000 + k, '>S');
        await play.servers('-t vip:80');
      }),
    ),
  ],
};

/** Services of marks, in a topic of their own: they need a packet filter to set them. */
export const marks: Topic = {
  name: 'marks',
  scenarios: [
    scenario('A service of a mark takes all listeners', async (play) => {
      await play.mark(7, 'tcp vip:80', 'tcp vip:443', 'udp vip:53', 'tcp vip2:80');
      await play.ipvsadm(...serviceLines('-f 7', 'rr'));
      await open(play, 'client', 40_000, '>S <SA >A', 'vip:80');
      await open(play, 'client', 40_001, '>S <SA >A', 'vip:443');
      await open(play, 'client', 40_002, '>S <SA >A', 'vip2:80');
      await play.send('client', query('client:40003'));
      await open(play, 'client', 40_004, '>S', 'vip:81');
      await play.connections();
      await play.servers('-f 7');
    }),
    scenario('A mark with servers that keep the port', async (play) => {
      await play.mark(8, 'tcp vip:80', 'tcp vip:443');
      await play.ipvsadm('-A -f 8 -s rr', '-a -f 8 -r rs1:0 -m', '-a -f 8 -r rs2:0 -m');
      await open(play, 'client', 40_000, '>S', 'vip:80');
      await open(play, 'client', 40_001, '>S', 'vip:443');
      await play.connections();
    }),
    scenario('A persistent mark keeps a client on one server for all listeners', async (play) => {
      await play.mark(9, 'tcp vip:80', 'tcp vip:443', 'tcp vip2:80');
      await play.ipvsadm(
        '-A -f 9 -s rr -p 100',
        ...['rs1', 'rs2', 'rs3'].map((rs) => `-a -f 9 -r ${rs}:0 -m`),
      );
      await open(play, 'client', 40_000, '>S', 'vip:80');
      await open(play, 'client', 40_001, '>S', 'vip:443');
      await open(play, 'client2', 40_002, '>S', 'vip2:80');
      await open(play, 'client', 40_003, '>S', 'vip2:80');
      await play.connections();
    }),
    scenario('A mark without servers', async (play) => {
      await play.mark(12, 'tcp vip:80', 'udp vip:53');
      await play.ipvsadm('-A -f 12 -s rr');
      await open(play, 'client', 40_000, '>S', 'vip:80');
      await play.send('client', query('client:40001'));
    }),
    scenario('A service of a mark over IPv6', async (play) => {
      await play.mark(14, 'tcp vip-v6:80', 'tcp vip2-v6:443');
      await play.ipvsadm(
        '-A -f 14 -6 -s rr',
        ...['rs1', 'rs2', 'rs3'].map((rs) => `-a -f 14 -6 -r ${rs}-v6:8080 -m`),
      );
      await open(play, 'client-v6', 40_000, '>S <SA >A', 'vip-v6:80');
      await open(play, 'client-v6', 40_001, '>S <SA >A', 'vip2-v6:443');
      await play.connections();
    }),
    scenario('Stray segments to a mark', async (play) => {
      await play.mark(13, 'tcp vip:80');
      await play.ipvsadm(...serviceLines('-f 13', 'rr'));
      for (const flags of ['A', 'RA'])
        await play.send('client', { kind: 'tcp', from: 'client:40000', to: 'vip:80', flags, seq: 1, ack: 1 });
      await play.connections();
    }),
  ],
};
