// SPDX-License-Identifier: Apache-2.0
/**
 * Datagrams in pieces, in every order and both directions. The kernel puts them together; all scenarios are of whole
 * datagrams, as what it says of incomplete ones comes half a minute later.
 */
import { Conversation, pattern, serviceLines } from '../conversation.js';
import type { Host } from '../lab.js';
import { compose, type Packet } from '../packet.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

type Mark = '' | '-v6';
let identification = 0x100;

/** `packet` cut at multiples of 8 bytes of its transport. */
function pieces(play: Play, packet: Packet, cuts: readonly number[]): readonly Buffer[] {
  const mark: Mark = packet.from.includes('-v6') ? '-v6' : '';
  const l4 = compose({ ...packet, ip: { df: false } }, play.names).subarray(mark === '' ? 20 : 40);
  const protocol = { tcp: 6, udp: 17, icmp: mark === '' ? 1 : 58, sctp: 132, other: 0 }[packet.kind];
  const host = (endpoint: string): string => endpoint.replace(/:\d+$/, '');
  const id = (identification += 1);
  const ends = [...cuts, l4.length];
  return ends.map((end, i) => {
    const offset = ends[i - 1] ?? 0;
    const more = end < l4.length;
    const word = (offset | (more ? 1 : 0)).toString(16).padStart(4, '0');
    return compose(
      {
        kind: 'other',
        from: host(packet.from),
        to: host(packet.to),
        protocol,
        data: l4.subarray(offset, end),
        ip:
          mark === ''
            ? { df: false, id, offset, mf: more }
            : { extensions: [{ header: 44, body: `00${word}${id.toString(16).padStart(8, '0')}` }] },
      },
      play.names,
    );
  });
}

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
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          await play.send('client', request(mark, 200));
          const about = compose({ ...request(mark, 200), to: `rs3${mark}:8080` }, play.names);
          const error: Packet = {
            kind: 'icmp',
            from: `rs3${mark}`,
            to: `client${mark}`,
            type: mark === '' ? 3 : 1,
            code: mark === '' ? 3 : 4,
            data: about,
          };
          await send(play, 'rs3', pieces(play, error, [104]), [0, 1]);
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
