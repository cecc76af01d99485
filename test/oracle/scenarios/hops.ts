// SPDX-License-Identifier: Apache-2.0
/** Time to live, packet size and the rest of the IP header. */
import { Conversation, pattern, serviceLines } from '../conversation.js';
import { compose, type IpFields, type Packet } from '../packet.js';
import type { Scenario, Topic } from '../scenario.js';

type Mark = '' | '-v6';
const over = (mark: Mark): string => `over IPv${mark === '' ? 4 : 6}`;

/** A connection whose data packets, one each way, have these fields. */
const both = (
  name: string,
  ip: IpFields,
  mark: Mark,
  options: { data?: Buffer; replyBytes?: number; differs?: string; servers?: readonly string[] } = {},
): Scenario => ({
  name: `${name}, ${over(mark)}`,
  ...(options.differs !== undefined && { differs: options.differs }),
  play: async (play) => {
    await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr', options.servers));
    const one = new Conversation(play, { client: `client${mark}` });
    await one.say('>S <SA >A');
    const data = options.data ?? pattern(10);
    await one.segment('client', { flags: 'PA', data, ip });
    await one.segment('server', { flags: 'PA', data: data.subarray(0, options.replyBytes), ip });
  },
});

const datagram = (name: string, ip: IpFields, mark: Mark, data: Buffer, differs?: string): Scenario => ({
  name: `${name}, ${over(mark)}`,
  ...(differs !== undefined && { differs }),
  play: async (play) => {
    await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
    const packet: Packet = { kind: 'udp', from: `client${mark}:40000`, to: `vip${mark}:53`, data, ip };
    await play.send('client', packet);
    await play.send('rs3', {
      ...packet,
      data: data.subarray(0, 1300),
      from: `rs3${mark}:8080`,
      to: `client${mark}:40000`,
    });
    await play.connections();
  },
});

/** A hop-by-hop or destination options header of eight bytes, without its next-header byte: PadN over four. */
const padding = '00010400000000';

export const hops: Topic = {
  name: 'hops',
  scenarios: [
    ...(['', '-v6'] as const).flatMap((mark): Scenario[] => [
      ...[0, 1].map((ttl) => both(`Hop limit ${ttl}`, { ttl }, mark, { differs: 'answered-by-the-host' })),
      ...[2, 3, 64, 128, 255].map((ttl) => both(`Hop limit ${ttl}`, { ttl }, mark)),
      {
        name: `A SYN with hop limit 1, ${over(mark)}`,
        differs: 'answered-by-the-host',
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr'));
          const one = new Conversation(play, { client: `client${mark}` });
          await one.say('>S', { ip: { ttl: 1 } });
          await play.connections();
          await one.say('>S', { ip: { ttl: 2 } });
        },
      },
      {
        name: `A SYN with hop limit 1 to a port without a service, ${over(mark)}`,
        differs: 'answered-by-the-host',
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr'));
          await new Conversation(play, { client: `client${mark}`, to: `vip${mark}:81` }).say('>S', {
            ip: { ttl: 1 },
          });
        },
      },
      both('A traffic class', { tos: 0xb8 }, mark),
      both('A congestion mark', { tos: 3 }, mark),
      both('A packet as big as the link to the server', {}, mark, {
        data: pattern(1400 - (mark === '' ? 40 : 60)),
      }),
      both('A packet that must not be fragmented and is too big for the link to the server', {}, mark, {
        data: pattern(1401 - (mark === '' ? 40 : 60)),
        replyBytes: 10,
        differs: 'quoted-hop-limit',
      }),
      both('A packet as big as the other links', {}, mark, {
        data: pattern(1500 - (mark === '' ? 40 : 60)),
        servers: ['rs1'],
      }),
      datagram(
        'A datagram that must not be fragmented and is too big',
        {},
        mark,
        pattern(1440),
        'quoted-hop-limit',
      ),
    ]),
    both('A packet that may be fragmented and is too big for the link to the server', { df: false }, '', {
      data: pattern(1440),
      replyBytes: 10,
    }),
    both('A packet that may be fragmented and need not be', { df: false }, '', { data: pattern(100) }),
    datagram('A datagram that may be fragmented and is too big', { df: false }, '', pattern(1440)),
    both('A wrong IP header checksum', { checksum: 'bad' }, ''),
    both('Bytes behind the packet', { trailer: 'aabbcc' }, ''),
    both('Bytes behind the packet', { trailer: 'aabbcc' }, '-v6'),
    both('A total length longer than the frame', { length: 100 }, ''),
    both('A payload length longer than the frame', { length: 100 }, '-v6'),
    both('A total length that cuts the TCP header', { length: 30 }, ''),
    both('No-operation options', { options: '01010101' }, ''),
    both('A router alert option', { options: '94040000' }, ''),
    both('A stream identifier option', { options: '88040001' }, ''),
    both('An unknown option', { options: '9e040000' }, ''),
    both('An option of impossible length', { options: '9e090000' }, '', { differs: 'answered-by-the-host' }),
    both('A loose source route', { options: '8307040a01000201' }, ''),
    both('A destination options header', { extensions: [{ header: 60, body: padding }] }, '-v6'),
    both('A hop-by-hop header', { extensions: [{ header: 0, body: padding }] }, '-v6'),
    both(
      'Two extension headers',
      {
        extensions: [
          { header: 0, body: padding },
          { header: 60, body: padding },
        ],
      },
      '-v6',
    ),
    both(
      'A routing header with nothing left',
      { extensions: [{ header: 43, body: '00000000000000' }] },
      '-v6',
    ),
    both(
      'A routing header with a segment left',
      { extensions: [{ header: 43, body: '02000100000000' + '00'.repeat(16) }] },
      '-v6',
      { differs: 'routing-header' },
    ),
    both('An atomic fragment', { extensions: [{ header: 44, body: '00000012345678' }] }, '-v6', {
      differs: 'atomic-fragment',
    }),
    {
      name: 'A datagram in two fragments, in order',
      differs: 'fragments-not-reassembled',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'rr'));
        const whole = compose(
          { kind: 'udp', from: 'client:40000', to: 'vip:53', data: pattern(200) },
          play.names,
        );
        const part = (at: number, end: number): Buffer => {
          const piece: Packet = {
            kind: 'other',
            from: 'client',
            to: 'vip',
            protocol: 17,
            data: whole.subarray(20 + at, 20 + end),
            ip: { df: false, id: 7, offset: at, mf: end < 208 },
          };
          return compose(piece, play.names);
        };
        await play.send('client', part(0, 104));
        await play.send('client', part(104, 208));
        await play.connections();
      },
    },
    {
      name: 'A TCP header that is cut or lies about its length',
      differs: 'impossible-header',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const one = new Conversation(play);
        await one.say('>S <SA >A');
        await one.segment('client', { flags: 'A', dataOffset: 4 });
        await one.segment('client', { flags: 'A', dataOffset: 15 });
        await one.segment('server', { flags: 'A', dataOffset: 15 });
        await play.connections();
      },
    },
    {
      name: 'A wrong TCP checksum stays wrong by the same difference',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await new Conversation(play).say('>S <SA >A >AP+11 <AP+13', { checksum: 'bad' });
        await play.connections();
      },
    },
    {
      name: 'TCP options pass unchanged',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const tcpOptions = '020405b40402080a1122334455667788' + '01030307';
        await new Conversation(play).say('>S <SA', { options: tcpOptions });
        await new Conversation(play, { port: 40_001 }).say('>S <SA >A', {
          options: '1312' + '5a'.repeat(16) + '0101',
        });
      },
    },
    {
      name: 'TCP data of odd length',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await new Conversation(play).say('>S <SA >A >AP+1 <AP+1 >AP+333 <AP+777');
      },
    },
  ],
};
