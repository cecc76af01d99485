// SPDX-License-Identifier: Apache-2.0
/** Packets nobody waits for: no service, no server, no connection. */
import { Conversation, pattern, serviceLines } from '../conversation.js';
import type { IpFields, Packet, TcpPacket } from '../packet.js';
import type { Scenario, Topic } from '../scenario.js';
import type { Host } from '../lab.js';

const one = (
  name: string,
  packet: Packet,
  { from = 'client', differs }: { from?: Host; differs?: string } = {},
): Scenario => {
  const mark = packet.to.includes('-v6') || packet.from.includes('-v6') ? '-v6' : '';
  return {
    name,
    ...(differs !== undefined && { differs }),
    play: async (play) => {
      await play.ipvsadm(
        ...serviceLines(`-t vip${mark}:80`, 'rr'),
        ...serviceLines(`-u vip${mark}:53`, 'rr'),
      );
      await play.send(from, packet);
      await play.connections();
    },
  };
};

const tcpTo = (port: number, flags: string, fields: Partial<TcpPacket> = {}, mark = ''): TcpPacket => ({
  kind: 'tcp',
  from: `client${mark}:40000`,
  to: `vip${mark}:${port}`,
  flags,
  seq: 1000,
  ...(flags.includes('A') && { ack: 5000 }),
  ...fields,
});

const strays: readonly (readonly [string, string, Partial<TcpPacket>])[] = [
  ['SYN', 'S', {}],
  ['SYN with data', 'S', { data: 'early' }],
  ['SYN with options', 'S', { options: '020405b40402080a0000000100000000010303070101' + '0101' }],
  ['ACK', 'A', {}],
  ['ACK with data', 'AP', { data: pattern(100) }],
  ['data without ACK', 'P', { data: pattern(10) }],
  ['FIN', 'FA', {}],
  ['FIN without ACK', 'F', {}],
  ['SYN-ACK', 'SA', {}],
  ['RST', 'R', {}],
  ['RST with ACK', 'RA', {}],
  ['SYN with FIN', 'SF', {}],
  ['SYN with RST', 'SR', {}],
  ['segment without flags', '', {}],
];

/** Where vsnat does otherwise. */
const otherwise: Readonly<Record<string, string>> = {
  'SYN-ACK': 'syn-ack-begins-nothing',
  'SYN with FIN': 'syn-ack-begins-nothing',
  'data without ACK': 'stray-without-ack',
  'FIN without ACK': 'stray-without-ack',
  'segment without flags': 'stray-without-ack',
};

const ip = (fields: IpFields): { readonly ip: IpFields } => ({ ip: fields });

export const unknown: Topic = {
  name: 'unknown',
  scenarios: [
    ...strays.map(([what, flags, fields]) =>
      one(`A ${what} to a port of the VIP without a service`, tcpTo(81, flags, fields)),
    ),
    ...strays
      .slice(3)
      .map(([what, flags, fields]) =>
        one(
          `A ${what} to a service, of no connection`,
          tcpTo(80, flags, fields),
          otherwise[what] === undefined ? {} : { differs: otherwise[what] },
        ),
      ),
    one('A SYN to an IPv6 port without a service', tcpTo(81, 'S', {}, '-v6')),
    one('An ACK to an IPv6 port without a service', tcpTo(81, 'A', {}, '-v6')),
    one('An ACK to an IPv6 service, of no connection', tcpTo(80, 'A', {}, '-v6')),
    one('A SYN with a wrong checksum to a port without a service', tcpTo(81, 'S', { checksum: 'bad' })),
    one('An ACK with a wrong checksum to a service, of no connection', tcpTo(80, 'A', { checksum: 'bad' })),
    one('A datagram to a port without a service', {
      kind: 'udp',
      from: 'client:40000',
      to: 'vip:54',
      data: 'hello',
    }),
    one('A long datagram to a port without a service', {
      kind: 'udp',
      from: 'client:40000',
      to: 'vip:54',
      data: pattern(1200),
    }),
    one('A datagram with a wrong checksum to a port without a service', {
      kind: 'udp',
      from: 'client:40000',
      to: 'vip:54',
      data: 'hello',
      checksum: 'bad',
    }),
    one('A datagram to an IPv6 port without a service', {
      kind: 'udp',
      from: 'client-v6:40000',
      to: 'vip-v6:54',
      data: 'hello',
    }),
    one('A long datagram to an IPv6 port without a service', {
      kind: 'udp',
      from: 'client-v6:40000',
      to: 'vip-v6:54',
      data: pattern(1400),
    }),
    one('A SYN to a UDP service', tcpTo(53, 'S')),
    one('A datagram to a TCP service', { kind: 'udp', from: 'client:40000', to: 'vip:80', data: 'hello' }),
    one('A SYN with TOS bits to a port without a service', tcpTo(81, 'S', ip({ tos: 0x2e << 2 }))),
    one('GRE to a VIP', { kind: 'other', from: 'client', to: 'vip', protocol: 47, data: pattern(24) }),
    one('An unknown protocol to an IPv6 VIP', {
      kind: 'other',
      from: 'client-v6',
      to: 'vip-v6',
      protocol: 253,
      data: pattern(24),
    }),
    one('A SYN from port 20', tcpTo(80, 'S', { from: 'client:20' }), { differs: 'ftp-data-port' }),
    one(
      'A datagram from port 20',
      { kind: 'udp', from: 'client:20', to: 'vip:53', data: 'hello' },
      { differs: 'ftp-data-port' },
    ),
    one('A SYN from port 0', tcpTo(80, 'S', { from: 'client:0' }), { differs: 'port-zero' }),
    one(
      'A datagram from port 0',
      { kind: 'udp', from: 'client:0', to: 'vip:53', data: 'hello' },
      { differs: 'port-zero' },
    ),
    one('A SYN to port 0', tcpTo(0, 'S'), { differs: 'port-zero' }),
    ...(['', '-v6'] as const).flatMap((mark): Scenario[] => [
      {
        name: `A SYN to a service without servers, over IPv${mark === '' ? 4 : 6}`,
        play: async (play) => {
          await play.ipvsadm(`-A -t vip${mark}:80 -s wlc`);
          await new Conversation(play, { client: `client${mark}` }).say('>S >A >R');
        },
      },
      {
        name: `A datagram to a service whose servers have weight 0, over IPv${mark === '' ? 4 : 6}`,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'wlc', [`rs1${mark}:8080 -w 0`]));
          await play.send('client', {
            kind: 'udp',
            from: `client${mark}:40000`,
            to: `vip${mark}:53`,
            data: pattern(900),
          });
        },
      },
    ]),
    one(
      'A packet a server sends on its own account passes untouched',
      { kind: 'tcp', from: 'rs1:8080', to: 'client:40000', flags: 'SA', seq: 1, ack: 2 },
      { from: 'rs1' },
    ),
    one(
      'A connection a server begins itself passes untouched',
      { kind: 'tcp', from: 'rs1:33000', to: 'client:443', flags: 'S', seq: 1 },
      { from: 'rs1' },
    ),
    one(
      'A datagram a server sends on its own account passes untouched',
      { kind: 'udp', from: 'rs1:8080', to: 'client:40000', data: 'hello' },
      { from: 'rs1' },
    ),
    one(
      'A datagram without a checksum passes untouched',
      { kind: 'udp', from: 'rs1:8080', to: 'client:40000', data: 'hello', checksum: 'none' },
      { from: 'rs1' },
    ),
    one('A packet straight to a server passes untouched', {
      kind: 'tcp',
      from: 'client:40000',
      to: 'rs1:8080',
      flags: 'S',
      seq: 1,
    }),
    one(
      'A server that is its own client through the VIP',
      { kind: 'tcp', from: 'rs1:33000', to: 'vip:80', flags: 'S', seq: 1 },
      { from: 'rs1' },
    ),
    one('A packet that claims to come from a VIP', tcpTo(80, 'S', { from: 'vip:40000' })),
    {
      name: 'A packet that claims to come from another VIP',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'), ...serviceLines('-t vip2:80', 'rr'));
        await play.send('client', tcpTo(80, 'S', { from: 'vip2:40000' }));
        await play.connections();
      },
    },
    one('A SYN from the loopback network', tcpTo(80, 'S', { from: '127.0.0.1:40000' })),
    one('A SYN from the unspecified address', tcpTo(80, 'S', { from: '0.0.0.0:40000' })),
    one('A SYN from a multicast address', tcpTo(80, 'S', { from: '224.0.0.1:40000' })),
    one('A SYN from the broadcast address', tcpTo(80, 'S', { from: '255.255.255.255:40000' })),
    one('A SYN from class E', tcpTo(80, 'S', { from: '240.0.0.1:40000' }), { differs: 'class-e' }),
  ],
};
