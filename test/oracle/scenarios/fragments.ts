// SPDX-License-Identifier: Apache-2.0
/**
 * Datagrams in pieces, in every order and both directions. The kernel puts them together; all scenarios are of whole
 * datagrams, as what it says of incomplete ones comes half a minute later.
 */
import { Conversation, pattern, serviceLines } from '../conversation.js';
import { literalVip6, literalVips, type Host } from '../lab.js';
import { compose, type Packet } from '../packet.js';
import { pieces } from '../pieces.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

type Mark = '' | '-v6';

const orders: Readonly<Record<string, readonly number[]>> = {
  'in order': [0, 1, 2],
  'last first': [2, 1, 0],
  'the first in the middle': [1, 0, 2],
  'the first last': [1, 2, 0],
};

const request = (mark: Mark, length: number): Packet => ({
  kind: 'udp',
  from: `client${mark}:40000`,
  to: `vip${mark}:53`,
  data: pattern(length),
});
const reply = (mark: Mark, length: number): Packet => ({
  kind: 'udp',
  from: `rs3${mark}:8080`,
  to: `client${mark}:40000`,
  data: pattern(length),
});

const send = async (
  play: Play,
  host: Host,
  all: readonly Buffer[],
  order: readonly number[],
): Promise<void> => {
  for (const i of order) await play.send(host, all[i] ?? Buffer.alloc(0));
};

const differs = 'fragments-not-reassembled';

/** Whoever waits for the first piece, and has all others then, does as one who puts them together. */
const differsUnless = (name: string): { readonly differs?: string } =>
  name === 'the first last' ? {} : { differs };

export const fragments: Topic = {
  name: 'fragments',
  scenarios: (['', '-v6'] as const).flatMap((mark): Scenario[] => {
    const over = `over IPv${mark === '' ? 4 : 6}`;
    return [
      ...Object.entries(orders).flatMap(([name, order]): Scenario[] => [
        {
          name: `A request in three pieces, ${name}, ${over}`,
          ...differsUnless(name),
          play: async (play) => {
            await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
            await send(play, 'client', pieces(play, request(mark, 600), [200, 400]), order);
            await play.connections();
          },
        },
        {
          name: `A reply in three pieces, ${name}, ${over}`,
          ...differsUnless(name),
          play: async (play) => {
            await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
            await play.send('client', request(mark, 5));
            await send(play, 'rs3', pieces(play, reply(mark, 600), [200, 400]), order);
            await play.connections();
          },
        },
      ]),
      {
        name: `A request of 4000 bytes in pieces as big as the client’s link, ${over}`,
        differs,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr', ['rs1']));
          await send(play, 'client', pieces(play, request(mark, 4000), [1400, 2800]), [0, 1, 2]);
        },
      },
      {
        name: `A SYN in two pieces, ${over}`,
        differs,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr'));
          const packet: Packet = {
            kind: 'tcp',
            from: `client${mark}:40000`,
            to: `vip${mark}:80`,
            flags: 'S',
            seq: 1000,
            data: pattern(40),
          };
          await send(play, 'client', pieces(play, packet, [24]), [0, 1]);
          await play.connections();
        },
      },
      {
        name: `Data of a connection in two pieces, the last first, ${over}`,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr'));
          await new Conversation(play, { client: `client${mark}` }).say('>S <SA >A');
          const packet: Packet = {
            kind: 'tcp',
            from: `client${mark}:40000`,
            to: `vip${mark}:80`,
            flags: 'PA',
            seq: 1001,
            ack: 500_001,
            data: pattern(300),
          };
          await send(play, 'client', pieces(play, packet, [160]), [1, 0]);
        },
      },
      {
        name: `A request in pieces to a port without a service, ${over}`,
        differs,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          await send(
            play,
            'client',
            pieces(play, { ...request(mark, 300), to: `vip${mark}:54` }, [160]),
            [0, 1],
          );
        },
      },
      {
        name: `A server’s own datagram in pieces, ${over}`,
        differs,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          await send(
            play,
            'rs2',
            pieces(play, { ...reply(mark, 300), from: `rs2${mark}:999` }, [160]),
            [0, 1],
          );
        },
      },
      {
        name: `A ping in two pieces, ${over}`,
        differs,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          const ping: Packet = {
            kind: 'icmp',
            from: `client${mark}`,
            to: `vip${mark}`,
            type: mark === '' ? 8 : 128,
            rest: 77,
            data: pattern(200),
          };
          await send(play, 'client', pieces(play, ping, [104]), [0, 1]);
        },
      },
      {
        name: `An error about a request in two pieces, ${over}`,
        differs,
        play: async (play) => {
          // The same addresses in every run: the piece with the quote is shown by its digest.
          const vip = mark === '' ? `${literalVips[19] ?? ''}:53` : `[${literalVip6}]:54`;
          const client = mark === '' ? '198.51.100.251' : '[fd00:1:ffff::51]';
          await play.ipvsadm(...serviceLines(`-u ${vip}`, 'rr', [`rs3${mark}:8080`]));
          const packet = { ...request(mark, 200), from: `${client}:40000` };
          await play.send('client', { ...packet, to: vip });
          const error: Packet = {
            kind: 'icmp',
            from: `rs3${mark}`,
            to: client,
            type: mark === '' ? 3 : 1,
            code: mark === '' ? 3 : 4,
            data: compose({ ...packet, to: `rs3${mark}:8080` }, play.names),
          };
          await send(play, 'rs3', pieces(play, error, [104]), [0, 1]);
        },
      },
      {
        name: `An error about a reply in two pieces, ${over}`,
        differs,
        play: async (play) => {
          const vip = mark === '' ? (literalVips[19] ?? '') : `[${literalVip6}]`;
          const service = `${vip}:${mark === '' ? 55 : 56}`;
          const client = mark === '' ? '198.51.100.252' : '[fd00:1:ffff::52]';
          const port = `${client}:40000`;
          await play.ipvsadm(...serviceLines(`-u ${service}`, 'rr', [`rs3${mark}:8080`]));
          await play.send('client', { ...request(mark, 200), from: port, to: service });
          const error: Packet = {
            kind: 'icmp',
            from: client,
            to: vip,
            type: mark === '' ? 3 : 1,
            code: mark === '' ? 3 : 4,
            data: compose({ ...request(mark, 200), from: service, to: port }, play.names),
          };
          await send(play, 'client', pieces(play, error, [104]), [0, 1]);
        },
      },
      {
        name: `SCTP in two pieces, the last first, to a service on the port of its servers, ${over}`,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`--sctp-service vip${mark}:8080`, 'rr'));
          const init: Packet = {
            kind: 'sctp',
            from: `client${mark}:40000`,
            to: `vip${mark}:8080`,
            chunks: ['INIT'],
            data: pattern(120),
          };
          await send(play, 'client', pieces(play, init, [80]), [1, 0]);
          await play.connections();
        },
      },
      {
        name: `The same piece twice, ${over}`,
        differs,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          await send(play, 'client', pieces(play, request(mark, 300), [160]), [0, 0, 1]);
        },
      },
    ];
  }),
};
