// SPDX-License-Identifier: Apache-2.0
/** What the director's own host has to say of a packet, in either direction: no route, nobody there, too big. */
import { Conversation, pattern, serviceLines } from '../conversation.js';
import type { Packet } from '../packet.js';
import type { Scenario, Topic } from '../scenario.js';

type Mark = '' | '-v6';

/** Where no route leads, and where nobody answers. */
const nowhere = (mark: Mark): string => (mark === '' ? '10.77.0.1:8080' : '[fd00:77::1]:8080');
const nobody = (mark: Mark): string => (mark === '' ? '10.2.1.77:8080' : '[fd00:2:1::77]:8080');

const service = (flag: '-t' | '-u', mark: Mark, server: string): readonly string[] => {
  const at = `${flag} vip${mark}:${flag === '-t' ? 80 : 53}`;
  return [`-A ${at} -s rr`, `-a ${at} -r ${server} -m`];
};

const datagram = (mark: Mark, bytes = 20, df = true): Packet => ({
  kind: 'udp',
  from: `client${mark}:40000`,
  to: `vip${mark}:53`,
  data: pattern(bytes),
  ip: { df },
});

const scenario = (name: string, differs: string | undefined, play: Scenario['play']): Scenario => ({
  name,
  ...(differs !== undefined && { differs }),
  play,
});

/** How long the neighbour table tries. */
const neighbourSearch = 4_500;

export const hostErrors: Topic = {
  name: 'host-errors',
  scenarios: (['', '-v6'] as const).flatMap((mark): Scenario[] => {
    const over = `over IPv${mark === '' ? 4 : 6}`;
    return [
      scenario(`A SYN to a server without a route, ${over}`, 'no-route', async (play) => {
        await play.ipvsadm(...service('-t', mark, nowhere(mark)));
        await new Conversation(play, { client: `client${mark}` }).say('>S');
        await play.connections();
      }),
      scenario(`A datagram to a server without a route, ${over}`, 'no-route', async (play) => {
        await play.ipvsadm(...service('-u', mark, nowhere(mark)));
        await play.send('client', datagram(mark));
      }),
      {
        name: `A datagram to a server that is not there, ${over}`,
        differs: 'quoted-checksum',
        alone: true, // the answer comes while others would be listening
        play: async (play) => {
          await play.ipvsadm(...service('-u', mark, nobody(mark)));
          await play.send('client', datagram(mark));
          await play.wait(neighbourSearch);
          await play.connections();
        },
      },
      scenario(
        `Datagrams around the size of the link to the server, ${over}`,
        'quoted-hop-limit',
        async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          const header = mark === '' ? 28 : 48;
          for (const size of [1399, 1400, 1401, 1500])
            await play.send('client', datagram(mark, size - header));
        },
      ),
      scenario(
        `Too big again, with a server that was told already, ${over}`,
        'quoted-hop-limit',
        async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          for (let i = 0; i < 2; i += 1) await play.send('client', datagram(mark, 1440));
          await play.send('client', datagram(mark, 1200));
          await play.connections();
        },
      ),
      scenario(
        `A reply that is too big for the link to the client, ${over}`,
        'address-of-the-director',
        async (play) => {
          await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr', ['rs2']));
          const one = new Conversation(play, { client: `client${mark}` });
          await one.say('>S <SA >A');
          const header = mark === '' ? 40 : 60;
          for (const size of [1500, 1501, 1600])
            await one.segment('server', { flags: 'PA', data: pattern(size - header) });
          await play.connections();
        },
      ),
      scenario(`A reply to a client without a route, ${over}`, 'no-route-to-client', async (play) => {
        await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
        const client = mark === '' ? '192.0.2.77' : '[2001:db8:77::1]';
        await play.send('client', { ...datagram(mark), from: `${client}:40000` });
        await play.send('rs3', { ...datagram(mark), from: `rs3${mark}:8080`, to: `${client}:40000` });
        await play.connections();
      }),
      scenario(`Hop limits of 1 and 2 in both directions, ${over}`, 'answered-by-the-host', async (play) => {
        await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
        for (const ttl of [2, 1]) {
          await play.send('client', { ...datagram(mark), ip: { ttl } });
          await play.send('rs3', {
            ...datagram(mark),
            from: `rs3${mark}:8080`,
            to: `client${mark}:40000`,
            ip: { ttl },
          });
        }
        await play.connections();
      }),
    ];
  }),
};
