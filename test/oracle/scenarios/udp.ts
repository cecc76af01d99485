// SPDX-License-Identifier: Apache-2.0
/** Datagrams both ways, and everything a UDP checksum can be. */
import { pattern, serviceLines } from '../conversation.js';
import { literalVip6 } from '../lab.js';
import { compose, type UdpPacket } from '../packet.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

type Mark = '' | '-v6';

const service = (play: Play, mark: Mark = ''): Promise<void> =>
  play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));

const request = (fields: Partial<UdpPacket> = {}, mark: Mark = ''): UdpPacket => ({
  kind: 'udp',
  from: `client${mark}:40000`,
  to: `vip${mark}:53`,
  ...fields,
});

const reply = (fields: Partial<UdpPacket> = {}, mark: Mark = ''): UdpPacket => ({
  kind: 'udp',
  from: `rs3${mark}:8080`,
  to: `client${mark}:40000`,
  ...fields,
});

/** A request and its reply with these fields. */
const exchange = (name: string, fields: Partial<UdpPacket>, mark: Mark = '', differs?: string): Scenario => ({
  name,
  ...(differs !== undefined && { differs }),
  play: async (play) => {
    await service(play, mark);
    await play.send('client', request(fields, mark));
    await play.send('rs3', reply(fields, mark));
    await play.connections();
  },
});

/** Two bytes of data that make the checksum come out as zero behind the director, where it must be sent as 0xffff. */
function dataWhoseChecksumVanishes(play: Play, packet: UdpPacket, real: Partial<UdpPacket>): Buffer {
  const data = Buffer.alloc(2);
  for (let word = 0; word <= 0xffff; word += 1) {
    data.writeUInt16BE(word);
    const translated = compose({ ...packet, ...real, data }, play.names);
    const at = translated.length - data.length - 2;
    if (translated.readUInt16BE(at) === 0xffff) return data;
  }
  throw new Error('no such data');
}

export const udp: Topic = {
  name: 'udp',
  scenarios: [
    ...(['', '-v6'] as const).flatMap((mark): Scenario[] => {
      const over = `over IPv${mark === '' ? 4 : 6}`;
      return [
        {
          name: `Datagrams of one client port stay with one server, ${over}`,
          play: async (play) => {
            await service(play, mark);
            for (let i = 0; i < 3; i += 1)
              await play.send('client', request({ data: pattern(20 + i) }, mark));
            await play.connections();
            for (let i = 0; i < 2; i += 1) await play.send('rs3', reply({ data: pattern(100 + i) }, mark));
            await play.connections();
            await play.servers(`-u vip${mark}:53`);
          },
        },
        {
          name: `Each client port is a connection of its own, ${over}`,
          play: async (play) => {
            await service(play, mark);
            for (let port = 40_000; port < 40_005; port += 1)
              await play.send('client', request({ from: `client${mark}:${port}`, data: 'query' }, mark));
            await play.connections();
          },
        },
        exchange(`A datagram without data, ${over}`, {}, mark),
        exchange(`A datagram of odd length, ${over}`, { data: pattern(33) }, mark),
        exchange(`A datagram of one byte, ${over}`, { data: 'x' }, mark),
        exchange(
          `A datagram of the greatest size that fits, ${over}`,
          { data: pattern(mark === '' ? 1372 : 1352) },
          mark,
        ),
        exchange(
          `A wrong UDP checksum stays wrong by the same difference, ${over}`,
          { data: pattern(9), checksum: 'bad' },
          mark,
        ),
        exchange(
          `Bytes behind the datagram, as Ethernet pads, ${over}`,
          { data: 'x', ip: { trailer: '00'.repeat(17) } },
          mark,
        ),
        exchange(`A UDP length shorter than the packet, ${over}`, { data: pattern(20), length: 18 }, mark),
        exchange(
          `A UDP length longer than the packet, ${over}`,
          { data: pattern(20), length: 40 },
          mark,
          'impossible-header',
        ),
        exchange(
          `A UDP length below eight, ${over}`,
          { data: pattern(20), length: 7 },
          mark,
          'impossible-header',
        ),
        {
          name: `A checksum that comes out as zero is sent as all ones, ${over}`,
          play: async (play) => {
            // Literal ones: with other addresses it would be other data.
            const [client, vip] =
              mark === ''
                ? ['198.51.100.9:40900', '203.0.113.40:53']
                : ['[fd00:1:ffff::9]:40900', `[${literalVip6}]:53`];
            await play.ipvsadm(
              `-A -u ${vip} -s rr`,
              ...['rs1', 'rs2', 'rs3'].map((rs) => `-a -u ${vip} -r ${rs}${mark}:8080 -m`),
            );
            const there = request({ from: client, to: vip }, mark);
            const data = dataWhoseChecksumVanishes(play, there, { to: `rs3${mark}:8080` });
            await play.send('client', { ...there, data });
            const back = reply({ to: client }, mark);
            const answer = dataWhoseChecksumVanishes(play, back, { from: vip });
            await play.send('rs3', { ...back, data: answer });
          },
        },
      ];
    }),
    exchange(
      'A datagram without a checksum',
      { data: pattern(9), checksum: 'none' },
      '',
      'udp-zero-checksum',
    ),
    exchange(
      'A datagram without a checksum, over IPv6',
      { data: pattern(9), checksum: 'none' },
      '-v6',
      'udp-zero-checksum',
    ),
    {
      name: 'Replies and requests both keep a UDP connection alive',
      play: async (play) => {
        await service(play);
        await play.send('client', request({ data: 'query' }));
        await play.wait(6_000);
        await play.connections(5);
        await play.send('rs3', reply({ data: 'answer' }));
        await play.connections(5);
      },
    },
    {
      name: 'A reply from another port of the server is no reply',
      play: async (play) => {
        await service(play);
        await play.send('client', request({ data: 'query' }));
        await play.send('rs3', reply({ from: 'rs3:8081', data: 'answer' }));
        await play.send('rs2', reply({ from: 'rs2:8080', data: 'answer' }));
      },
    },
    {
      name: 'TCP and UDP services of one address and port are two services',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'rr'), ...serviceLines('-t vip:53', 'rr', ['rs1']));
        await play.send('client', request({ data: 'query' }));
        await play.send('client', { kind: 'tcp', from: 'client:40000', to: 'vip:53', flags: 'S' });
        await play.connections();
      },
    },
    {
      name: 'A real server in two services, and replies to each under its own VIP',
      play: async (play) => {
        await play.ipvsadm(
          ...serviceLines('-u vip:53', 'rr', ['rs1:53']),
          ...serviceLines('-u vip2:54', 'rr', ['rs1:54']),
        );
        await play.send('client', request());
        await play.send('client', request({ to: 'vip2:54' }));
        await play.send('rs1', reply({ from: 'rs1:53' }));
        await play.send('rs1', reply({ from: 'rs1:54' }));
      },
    },
  ],
};
