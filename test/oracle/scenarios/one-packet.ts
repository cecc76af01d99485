// SPDX-License-Identifier: Apache-2.0
/** Services that look at each datagram alone. */
import { serviceLines } from '../conversation.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

const asTheKernel = { ipvs: { one_packet_replies: 'pass' } };

const queries = async (
  play: Play,
  times: number,
  mark = '',
  client = 'client',
  firstPort = 40_000,
): Promise<void> => {
  for (let i = 0; i < times; i += 1)
    await play.send('client', {
      kind: 'udp',
      from: `${client}${mark}:${firstPort + (i >> 1)}`,
      to: `vip${mark}:53`,
      data: `query ${i}`,
    });
};

const replies = (name: string, more: Partial<Scenario>): Scenario => ({
  name,
  ...more,
  alone: true, // whose reply it is, the services that share the server decide
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-u vip:53', 'rr -o'));
    await queries(play, 2);
    await play.send('rs3', { kind: 'udp', from: 'rs3:8080', to: 'client:40000', data: 'answer' });
    await play.send('rs3', { kind: 'udp', from: 'rs3:8081', to: 'client:40000', data: 'another' });
    await play.connections();
  },
});

export const onePacket: Topic = {
  name: 'one-packet',
  scenarios: [
    ...['', '-v6'].map((mark): Scenario => ({
      name: `Every datagram is scheduled anew, over IPv${mark === '' ? 4 : 6}`,
      play: async (play) => {
        await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr -o'));
        await queries(play, 7, mark);
        await play.connections();
        await play.servers(`-u vip${mark}:53`);
      },
    })),
    replies('The reply to a datagram', { differs: 'one-packet-replies' }),
    replies('The reply to a datagram, with one_packet_replies: pass', { vsnat: asTheKernel }),
    ...['wrr', 'wlc', 'sed', 'sh', 'mh'].map((kind, i): Scenario => ({
      name: `${kind} for every datagram`,
      play: async (play) => {
        await play.ipvsadm(
          ...serviceLines('-u vip:53', `${kind} -o`, ['rs1:8080 -w 3', 'rs2', 'rs3:8080 -w 2']),
        );
        for (let k = 0; k < 10; k += 1) await queries(play, 1, '', `198.51.100.${170 + k}`, 43_000 + i);
        await play.servers('-u vip:53');
      },
    })),
    {
      name: 'A persistent client stays with its server, datagram by datagram',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'rr -p 100 -o'));
        await queries(play, 3);
        await queries(play, 2, '', 'client2');
        await queries(play, 1);
        await play.connections();
      },
    },
    {
      name: 'A threshold counts nothing that is not kept',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'rr -o', ['rs1:8080 -x 1', 'rs2:8080 -x 1']));
        await queries(play, 5);
        await play.servers('-u vip:53');
      },
    },
    {
      name: 'A service that keeps connections begins to keep none',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'rr'));
        await queries(play, 2);
        await play.ipvsadm('-E -u vip:53 -s rr -o');
        await queries(play, 4);
        await queries(play, 4, '', 'client', 41_000);
        await play.connections();
      },
    },
    {
      name: 'No server for a datagram',
      play: async (play) => {
        await play.ipvsadm('-A -u vip:53 -s rr -o');
        await queries(play, 1);
      },
    },
  ],
};
