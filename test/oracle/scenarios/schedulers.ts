// SPDX-License-Identifier: Apache-2.0
/** Who gets which connection: real picks, over changes of the configuration. */
import { Conversation, serviceLines } from '../conversation.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

/** New connections from consecutive ports; with `text` each is played on, which changes the load it leaves behind. */
async function connect(
  play: Play,
  times: number,
  firstPort = 40_000,
  text = '>S',
  client = 'client',
): Promise<void> {
  for (let i = 0; i < times; i += 1) await new Conversation(play, { client, port: firstPort + i }).say(text);
}

const weighted = (...weights: readonly number[]): readonly string[] =>
  weights.map((weight, i) => `rs${i + 1}:8080 -w ${weight}`);

const picks = (name: string, scheduler: string, servers: readonly string[], times: number): Scenario => ({
  name,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', scheduler, servers));
    await connect(play, times);
    await play.servers('-t vip:80');
  },
});

/** The schedulers' names with their flags, for the scenarios that hold for all of them. */
const kinds = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh', 'sh -b sh-port', 'mh -b mh-port'];
const fallbackKinds = [
  'sh -b sh-fallback',
  'mh -b mh-fallback',
  'sh -b sh-port,sh-fallback',
  'mh -b mh-port,mh-fallback',
];

/** Hashes look at addresses, and those of `client` depend on the run; these do not. */
const clients = Array.from({ length: 12 }, (_, i) => `198.51.100.${i * 19 + 1}`);

async function connectFromMany(play: Play, port: number): Promise<void> {
  for (const client of clients) await new Conversation(play, { client, port }).say('>S');
}

/** Ports of its own for each of them: literal clients meet those of other scenarios, and so would their replies. */
const throughChanges = (scheduler: string, i: number): Scenario => ({
  name: `${scheduler}: a server added, drained, removed and added again`,
  play: async (play) => {
    const firstPort = 40_000 + i * 100;
    await play.ipvsadm(...serviceLines('-t vip:80', scheduler, weighted(2, 1)));
    await connectFromMany(play, firstPort);
    await play.ipvsadm('-a -t vip:80 -r rs3:8080 -m -w 3');
    await connectFromMany(play, firstPort + 1);
    await play.ipvsadm('-e -t vip:80 -r rs2:8080 -m -w 0');
    await connectFromMany(play, firstPort + 2);
    await play.ipvsadm('-d -t vip:80 -r rs1:8080');
    await connectFromMany(play, firstPort + 3);
    await play.ipvsadm('-a -t vip:80 -r rs1:8080 -m -w 2', '-e -t vip:80 -r rs2:8080 -m -w 4');
    await connectFromMany(play, firstPort + 4);
    await play.servers('-t vip:80');
  },
});

const replaced = ([before, after]: readonly [string, string], i: number): Scenario => ({
  name: `${before} replaced by ${after} on a live service`,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', before, weighted(1, 2, 3)));
    await connect(play, 5, 40_000 + i * 100, '>S', '198.51.100.7');
    await play.ipvsadm(`-E -t vip:80 -s ${after}`);
    await connect(play, 8, 41_000 + i * 100, '>S', '198.51.100.7');
  },
});

export const schedulers: Topic = {
  name: 'schedulers',
  scenarios: [
    picks('rr takes the newest server first', 'rr', weighted(1, 1, 1), 7),
    picks('rr does not look at weights but for zero', 'rr', weighted(5, 0, 1), 6),
    ...[
      [4, 3, 2],
      [4, 2, 2],
      [10, 20, 30],
      [1, 2],
      [5, 0, 1],
      [3, 3, 3],
      [0, 0, 0],
      [65535, 1],
    ].map((weights) => picks(`wrr with weights ${weights.join(', ')}`, 'wrr', weighted(...weights), 14)),
    {
      name: 'wrr with weights 4, 3, 2, set after the servers were there',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr', weighted(4, 3, 2)), '-E -t vip:80 -s wrr');
        await connect(play, 20);
      },
    },
    {
      name: 'wrr in the middle of a cycle, with weights edited',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'wrr', weighted(4, 2, 2)));
        await connect(play, 6);
        await play.ipvsadm('-e -t vip:80 -r rs2:8080 -m -w 6');
        await connect(play, 10, 41_000);
        await play.ipvsadm('-e -t vip:80 -r rs1:8080 -m -w 1');
        await connect(play, 10, 42_000);
      },
    },
    picks('lc with half-open connections', 'lc', weighted(1, 1, 1), 7),
    picks('lc does not look at weights but for zero', 'lc', weighted(9, 1, 0), 6),
    picks('wlc with weights 3, 2, 1', 'wlc', weighted(3, 2, 1), 12),
    picks('wlc with equal weights', 'wlc', weighted(1, 1, 1), 7),
    picks('wlc with one usable server', 'wlc', weighted(0, 7, 0), 3),
    {
      name: 'wlc counts an inactive connection for far less than an active one',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'wlc', weighted(1, 1, 1)));
        await connect(play, 3, 40_000, '>S <SA >A');
        await connect(play, 3, 41_000, '>S <SA >A >AF <A <AF >A');
        await play.servers('-t vip:80');
        await connect(play, 6, 42_000, '>S <RA');
        await play.servers('-t vip:80');
        await connect(play, 4, 43_000);
      },
    },
    {
      name: 'lc follows connections that end',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'lc', weighted(1, 1)));
        const first = new Conversation(play, { port: 40_000 });
        await first.say('>S <SA >A');
        await connect(play, 2, 41_000, '>S <SA >A');
        await first.say('>AF <AF >A');
        await connect(play, 4, 42_000);
        await play.servers('-t vip:80');
      },
    },
    {
      name: 'wlc over UDP counts inactive connections only',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'wlc', weighted(3, 2, 1)));
        for (let port = 40_000; port < 40_012; port += 1)
          await play.send('client', { kind: 'udp', from: `client:${port}`, to: 'vip:53', data: 'query' });
        await play.servers('-u vip:53');
      },
    },
    ...[...kinds, ...fallbackKinds].map(throughChanges),
    ...['sh', 'sh -b sh-port', 'mh', 'mh -b mh-port'].map((kind, k): Scenario => ({
      name: `${kind}: forty clients over three weights`,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', kind, weighted(3, 1, 2)));
        for (let i = 0; i < 40; i += 1)
          await new Conversation(play, { client: `198.51.100.${i * 6 + 2}`, port: 30_000 + i * 811 + k }).say(
            '>S',
          );
      },
    })),
    ...['sh', 'mh'].map((kind, k): Scenario => ({
      name: `${kind} over IPv6`,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip-v6:80', `${kind} -b ${kind}-port`));
        for (let i = 0; i < 12; i += 1)
          await new Conversation(play, {
            client: `[fd00:1:ffff:${i + 1}::${i * 77}]`,
            to: 'vip-v6:80',
            port: 30_000 + i * 811 + k,
          }).say('>S');
      },
    })),
    ...(
      [
        ['rr', 'wrr'],
        ['wrr', 'rr'],
        ['wlc', 'mh'],
        ['sh', 'lc'],
      ] as const
    ).map(replaced),
    {
      name: 'rr goes on behind the server it picked last when another is removed',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await connect(play, 2);
        await play.ipvsadm('-d -t vip:80 -r rs2:8080');
        await connect(play, 4, 41_000);
        await play.ipvsadm('-a -t vip:80 -r rs2:8080 -m');
        await connect(play, 6, 42_000);
      },
    },
    {
      name: 'rr over IPv6',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip-v6:80', 'rr'));
        await connect(play, 5, 40_000, '>S', 'client-v6');
      },
    },
  ],
};
