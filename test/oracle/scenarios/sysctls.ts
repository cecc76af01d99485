// SPDX-License-Identifier: Apache-2.0
/** The kernel's settings, each where a packet can tell. */
import { Conversation, serviceLines } from '../conversation.js';
import { compose, type Packet } from '../packet.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

const established = '>S <SA >A';
const closed = '>S <SA >A >AF <A <AF >A';

/** The settings of the defence come into force once a second. */
const aDefenceTick = 2_500;

const scenario = (
  name: string,
  sysctls: Readonly<Record<string, number>>,
  play: Scenario['play'],
  more: Partial<Scenario> = {},
): Scenario => ({ name, sysctls, ...more, play });

const syn = (port = 40_000): Packet => ({
  kind: 'tcp',
  from: `client:${port}`,
  to: 'vip:80',
  flags: 'S',
  seq: 900_000,
});

const reuse = (mode: number, state: string, text: string): Scenario =>
  scenario(
    `conn_reuse_mode ${mode}: a SYN from the port of a connection in ${state}`,
    { conn_reuse_mode: mode },
    async (play) => {
      await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
      await new Conversation(play).say(text);
      await play.send('client', syn());
      await play.connections();
      await play.servers('-t vip:80');
    },
  );

const states: Readonly<Record<string, string>> = {
  TIME_WAIT: closed,
  CLOSE: '>S <RA',
  FIN_WAIT: '>S <SA >A <AF >A',
  ESTABLISHED: established,
};

/** A server is removed or drained, and then these packets of an old connection come. */
const nodest = (value: number, flags: string, change: string, what: string): Scenario =>
  scenario(
    `expire_nodest_conn ${value}: ${flags} of a connection whose server was ${what}`,
    { expire_nodest_conn: value },
    async (play) => {
      await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
      await new Conversation(play).say(established);
      await play.ipvsadm(change);
      await play.send('client', {
        kind: 'tcp',
        from: 'client:40000',
        to: 'vip:80',
        flags,
        seq: 1001,
        ack: 500_001,
      });
      await play.connections();
    },
  );

const drained = '-e -t vip:80 -r rs3:8080 -m -w 0';
const removed = '-d -t vip:80 -r rs3:8080';

const sloppy = (flags: string): Scenario =>
  scenario(
    `sloppy_tcp: a connection that is first seen with ${flags || 'no flags'}`,
    { sloppy_tcp: 1 },
    async (play) => {
      await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
      await play.send('client', {
        kind: 'tcp',
        from: 'client:40000',
        to: 'vip:80',
        flags,
        seq: 70_000,
        ack: 500_001,
      });
      await play.connections();
      await play.send('rs3', {
        kind: 'tcp',
        from: 'rs3:8080',
        to: 'client:40000',
        flags: 'A',
        seq: 500_001,
        ack: 70_001,
      });
      await play.connections();
    },
  );

/** The fence is a reply of nobody's connection (world.ts); here it needs one, or it would be answered. */
const openFence = (play: Play): Promise<unknown> =>
  play.send('client', { kind: 'udp', from: '10.1.0.2:9', to: '10.9.0.1:9', data: 'open' });

const lateReply = (name: string, packet: Packet, differs?: string): Scenario =>
  scenario(
    `nat_icmp_send: ${name}`,
    { nat_icmp_send: 1 },
    async (play) => {
      await openFence(play);
      await play.ipvsadm(
        ...serviceLines('-t vip:80', 'rr'),
        ...serviceLines('-u vip:53', 'rr', ['rs1:8080', 'rs2:8080']),
        ...serviceLines('-u vip-v6:53', 'rr'),
      );
      await play.send(packet.from.startsWith('rs1') ? 'rs1' : 'rs3', packet);
    },
    { alone: true, ...(differs !== undefined && { differs }) },
  );

const securePaths = [
  '>S <SA >A >AP+100 <A >AF <A <AF >A',
  '>S <SA >A <AF >A >AF <A',
  '>S >A <SA >A',
  '>S <RA',
  '>S <SA >R',
  '>S <SA >AF <A',
  '>S <SA <AF >A',
  '>S <SA >A >S <SA <A',
  '>S <SA >A >RA',
  '>S >S <SA <SA >A <A',
  '>S <SA >A >AF <A <AF >A >S <SA >A <A',
];

const unknownError = (
  direction: string,
  mark: '' | '-v6',
  sysctls: Readonly<Record<string, number>>,
): Scenario =>
  scenario(
    `schedule_icmp ${sysctls.schedule_icmp ?? 0}: an error about a ${direction} of nobody’s connection, over IPv${mark === '' ? 4 : 6}`,
    sysctls,
    async (play) => {
      await play.ipvsadm(
        ...serviceLines(`-t vip${mark}:80`, 'rr'),
        ...serviceLines(`-u vip${mark}:53`, 'rr'),
      );
      const isTcp = direction.includes('TCP');
      const [from, to] = [`vip${mark}:${isTcp ? 80 : 53}`, `client${mark}:40000`];
      const about: Packet = isTcp
        ? { kind: 'tcp', from, to, flags: 'A', seq: 7, ack: 8 }
        : { kind: 'udp', from, to, data: 'answer' };
      await play.send('client', {
        kind: 'icmp',
        from: `client${mark}`,
        to: `vip${mark}`,
        type: mark === '' ? 3 : 1,
        code: mark === '' ? 3 : 4,
        data: compose(about, play.names).subarray(0, (mark === '' ? 20 : 40) + 8),
      });
      await play.connections();
      await play.servers(isTcp ? `-t vip${mark}:80` : `-u vip${mark}:53`);
    },
  );

export const sysctls: Topic = {
  name: 'sysctls',
  scenarios: [
    ...[0, 1, 2, 3].flatMap((mode) =>
      Object.entries(states).map(([state, text]) => reuse(mode, state, text)),
    ),
    ...[0, 1].flatMap((value) =>
      ['S', 'A', 'AF', 'RA'].flatMap((flags) => [
        nodest(value, flags, removed, 'removed'),
        nodest(value, flags, drained, 'drained'),
      ]),
    ),
    ...[0, 1].map((value) =>
      scenario(
        `expire_nodest_conn ${value}: late replies of a removed server`,
        { expire_nodest_conn: value },
        async (play) => {
          await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
          const one = new Conversation(play);
          await one.say(established);
          await play.ipvsadm(removed);
          await one.say('<AP+10');
          await play.connections();
          await one.say('>A <AP+10');
          await play.connections();
        },
        { alone: true, ...(value === 0 && { differs: 'removed-server-replies' }) },
      ),
    ),
    ...[0, 1].map((value) =>
      scenario(
        `expire_nodest_conn ${value}: UDP whose server was removed`,
        { expire_nodest_conn: value },
        async (play) => {
          await play.ipvsadm(...serviceLines('-u vip:53', 'rr'));
          const packet = { kind: 'udp', from: 'client:40000', to: 'vip:53', data: 'query' } as const;
          await play.send('client', packet);
          await play.ipvsadm('-d -u vip:53 -r rs3:8080');
          await play.send('client', packet);
          await play.connections();
        },
      ),
    ),
    ...['A', 'AP', 'AF', 'F', 'P', '', 'R', 'RA', 'SA', 'S'].map(sloppy),
    scenario('sloppy_tcp: a connection in the middle goes on to its end', { sloppy_tcp: 1 }, async (play) => {
      await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
      await new Conversation(play).say('>AP+10 <AP+20 >A >AF <A <AF >A', { states: true });
    }),
    lateReply(
      'a late datagram',
      { kind: 'udp', from: 'rs1:8080', to: 'client:40000', data: 'late' },
      'nat-icmp-source',
    ),
    lateReply(
      'a late datagram over IPv6',
      {
        kind: 'udp',
        from: 'rs3-v6:8080',
        to: 'client-v6:40000',
        data: 'late',
      },
      'nat-icmp-source',
    ),
    lateReply(
      'a late segment',
      {
        kind: 'tcp',
        from: 'rs3:8080',
        to: 'client:40000',
        flags: 'A',
        seq: 1,
        ack: 2,
      },
      'nat-icmp-source',
    ),
    lateReply(
      'a late SYN-ACK',
      {
        kind: 'tcp',
        from: 'rs3:8080',
        to: 'client:40000',
        flags: 'SA',
        seq: 1,
        ack: 2,
      },
      'nat-icmp-source',
    ),
    lateReply('a late RST', { kind: 'tcp', from: 'rs3:8080', to: 'client:40000', flags: 'R', seq: 1 }),
    lateReply('a datagram of another port', {
      kind: 'udp',
      from: 'rs3:8081',
      to: 'client:40000',
      data: 'own',
    }),
    lateReply('a datagram of a server of another service', {
      kind: 'udp',
      from: 'rs3:8080',
      to: 'client:40000',
      data: 'own',
    }),
    ...[0, 1].flatMap((value) =>
      (['', '-v6'] as const).flatMap((mark) =>
        ['TCP reply', 'UDP reply'].map((direction) =>
          unknownError(direction, mark, { schedule_icmp: value }),
        ),
      ),
    ),
    ...securePaths.map((text) =>
      scenario(`secure_tcp: ${text}`, { secure_tcp: 3 }, async (play) => {
        await play.wait(aDefenceTick);
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await new Conversation(play).say(text, { states: true });
        await play.servers('-t vip:80');
      }),
    ),
    scenario(
      'expire_quiescent_template: a client leaves a server that is drained',
      { expire_quiescent_template: 1 },
      async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr -p 100'));
        await new Conversation(play).say(established);
        await play.ipvsadm(drained);
        await new Conversation(play, { port: 40_001 }).say(established);
        await play.connections();
        await play.ipvsadm('-e -t vip:80 -r rs3:8080 -m -w 1');
        await new Conversation(play, { port: 40_002 }).say(established);
        await play.connections();
      },
    ),
    // As many new connections as make the count come out even, so that the next one begins with a drop again.
    ...[1, 2, 3].map((rate) =>
      scenario(
        `drop_packet: one of ${rate} new connections is dropped`,
        { drop_packet: 3, am_droprate: rate },
        async (play) => {
          await play.ipvsadm(...serviceLines('-t vip:80', 'rr'), ...serviceLines('-u vip:53', 'rr'));
          await play.wait(aDefenceTick);
          for (let i = 0; i < 6; i += 1) await new Conversation(play, { port: 40_000 + i }).say('>S >A');
          for (let i = 0; i < 6; i += 1)
            await play.send('client', {
              kind: 'udp',
              from: `client:${41_000 + i}`,
              to: 'vip:53',
              data: 'query',
            });
          await play.servers('-t vip:80');
        },
        { alone: true },
      ),
    ),
    scenario(
      'drop_packet: what never begins a connection is not counted',
      { drop_packet: 3, am_droprate: 2 },
      async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await play.wait(aDefenceTick);
        for (let i = 0; i < 4; i += 1) {
          await play.send('client', {
            kind: 'tcp',
            from: `client:${40_000 + i}`,
            to: 'vip:80',
            flags: 'A',
            seq: 1,
            ack: 1,
          });
          await play.send('client', { ...syn(40_000 + i), to: 'vip:81' });
          await play.send('client', syn(40_000 + i));
        }
      },
      { alone: true },
    ),
  ],
};
