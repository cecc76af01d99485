// SPDX-License-Identifier: Apache-2.0
/** The schedulers that look at load or destination in ways of their own: sed, nq, fo, ovf, dh, lblc, lblcr, twos. */
import { Conversation, serviceLines } from '../conversation.js';
import { literalVips } from '../lab.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

const weighted = (...weights: readonly number[]): readonly string[] =>
  weights.map((weight, i) => `rs${i + 1}:8080 -w ${weight}`);

async function connect(
  play: Play,
  times: number,
  firstPort: number,
  { text = '>S', to = 'vip:80' } = {},
): Promise<void> {
  for (let i = 0; i < times; i += 1) await new Conversation(play, { port: firstPort + i, to }).say(text);
}

const kinds = ['sed', 'nq', 'fo', 'ovf', 'lblc', 'lblcr'] as const;
const established = '>S <SA >A';
const over = '>S <SA >A >AF <A <AF >A';

const picksOf = (kind: string, weights: readonly number[], text: string, what: string): Scenario => ({
  name: `${kind} with weights ${weights.join(', ')} and connections that ${what}`,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', kind, weighted(...weights)));
    await connect(play, 16, 40_000, { text });
    await play.servers('-t vip:80');
  },
});

const weightings = [
  [1, 1, 1],
  [3, 2, 1],
  [2, 2, 2],
  [4, 2, 1],
  [0, 5, 2],
  [0, 0, 0],
] as const;

/** Some connections stay, some end, weights change, servers come and go. */
const throughChanges = (kind: string, to = 'vip:80'): Scenario => ({
  name: `${kind}: connections end, weights change, servers come and go`,
  ...(kind === 'lblcr' && { differs: 'lblcr-returning-server' }),
  play: async (play) => {
    await play.ipvsadm(...serviceLines(`-t ${to}`, kind, weighted(2, 1)));
    await connect(play, 5, 40_000, { text: established, to });
    await connect(play, 3, 40_100, { text: over, to });
    await play.ipvsadm(`-a -t ${to} -r rs3:8080 -m -w 3`);
    await connect(play, 6, 40_200, { to });
    await play.ipvsadm(`-e -t ${to} -r rs2:8080 -m -w 0`);
    await connect(play, 4, 40_300, { text: '>S <RA', to });
    await play.ipvsadm(`-e -t ${to} -r rs2:8080 -m -w 7`, `-e -t ${to} -r rs3:8080 -m -w 1`);
    await connect(play, 8, 40_400, { to });
    await play.ipvsadm(`-d -t ${to} -r rs2:8080`);
    await connect(play, 4, 40_500, { to });
    await play.ipvsadm(`-a -t ${to} -r rs2:8080 -m -w 2`);
    await connect(play, 6, 40_600, { to });
    await play.servers(`-t ${to}`);
  },
});

const full = (kind: string, to = 'vip:80'): Scenario => ({
  name: `${kind} with a server at its threshold`,
  play: async (play) => {
    await play.ipvsadm(
      ...serviceLines(`-t ${to}`, kind, ['rs1:8080 -w 2', 'rs2:8080 -w 2', 'rs3:8080 -w 2 -x 2']),
    );
    await connect(play, 9, 40_000, { text: established, to });
    await play.servers(`-t ${to}`);
  },
});

/** Of two servers drawn at random the less loaded one: which, is chance; that the load evens out, is not. */
const evensOut = (weights: readonly number[], least: number, most: number): Scenario => ({
  name: `twos with weights ${weights.join(', ')} evens out the load`,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', 'twos', weighted(...weights)));
    const servers = await play.unseen('60 connections that stay', async () => {
      await connect(play, 60, 40_000, { text: established });
      return play.servers('-t vip:80');
    });
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const { server, weight, active } of servers.toSorted((a, b) => (a.server < b.server ? -1 : 1))) {
      const share = (active * total) / weight / 60;
      play.claim(`${server} has ${least} to ${most} times its share`, share >= least && share <= most);
    }
  },
});

const twosWith = (what: string, servers: readonly string[]): Scenario => ({
  name: `twos with ${what}`,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', 'twos', servers));
    await connect(play, 6, 40_000, { text: established });
    await play.servers('-t vip:80');
  },
});

export const picks: Topic = {
  name: 'picks',
  scenarios: [
    ...kinds.flatMap((kind) => [
      ...weightings.map((weights) => picksOf(kind, weights, '>S', 'stay')),
      picksOf(kind, [3, 2, 1], over, 'end'),
      throughChanges(kind),
      full(kind),
      {
        name: `${kind} over UDP, where no connection is ever active`,
        play: async (play: Play) => {
          await play.ipvsadm(...serviceLines('-u vip:53', kind, weighted(1, 3, 2)));
          for (let port = 40_000; port < 40_010; port += 1)
            await play.send('client', { kind: 'udp', from: `client:${port}`, to: 'vip:53', data: 'query' });
          await play.servers('-u vip:53');
        },
      },
      {
        name: `wlc replaced by ${kind} and back on a live service`,
        play: async (play: Play) => {
          await play.ipvsadm(...serviceLines('-t vip:80', 'wlc', weighted(1, 2, 3)));
          await connect(play, 5, 40_000, { text: established });
          await play.ipvsadm(`-E -t vip:80 -s ${kind}`);
          await connect(play, 8, 40_100);
          await play.ipvsadm('-E -t vip:80 -s wlc');
          await connect(play, 4, 40_200);
          await play.ipvsadm(`-E -t vip:80 -s ${kind}`);
          await connect(play, 4, 40_300);
        },
      },
    ]),
    {
      name: 'dh: twelve VIPs over three weights',
      play: async (play) => {
        const vips = literalVips.slice(0, 12);
        for (const vip of vips) await play.ipvsadm(...serviceLines(`-t ${vip}:80`, 'dh', weighted(3, 1, 2)));
        for (const [i, vip] of vips.entries()) await connect(play, 2, 40_000 + i * 10, { to: `${vip}:80` });
      },
    },
    ...[12, 13, 14, 15].map((i): Scenario => {
      const to = `${literalVips[i] ?? ''}:80`;
      return { ...throughChanges('dh', to), name: `dh on ${to}: servers come and go` };
    }),
    full('dh', `${literalVips[16] ?? ''}:80`),
    {
      name: 'dh with its server drained refuses',
      play: async (play) => {
        const to = `${literalVips[17] ?? ''}:80`;
        await play.ipvsadm(...serviceLines(`-t ${to}`, 'dh'));
        await connect(play, 2, 40_000, { to });
        for (const server of ['rs1', 'rs2', 'rs3']) {
          await play.ipvsadm(`-e -t ${to} -r ${server}:8080 -m -w 0`);
          await connect(play, 2, 40_100 + Number(server.slice(2)), { to });
        }
      },
    },
    {
      name: 'dh looks at neither client nor port',
      play: async (play) => {
        const to = `${literalVips[18] ?? ''}:80`;
        await play.ipvsadm(...serviceLines(`-t ${to}`, 'dh'));
        for (let i = 0; i < 8; i += 1)
          await new Conversation(play, { client: `client${i + 2}`, port: 40_000 + i * 97, to }).say('>S');
      },
    },
    {
      name: 'dh over IPv6',
      play: async (play) => {
        for (const [i, vip] of ['vip-v6', 'vip2-v6'].entries()) {
          await play.ipvsadm(...serviceLines(`-t ${vip}:80`, 'dh', ['rs1']));
          await new Conversation(play, { client: 'client-v6', port: 40_000 + i, to: `${vip}:80` }).say('>S');
        }
      },
    },
    ...(['lblc', 'lblcr'] as const).map((kind): Scenario => ({
      name: `${kind} leaves its server when that one has more than its weight and another less than half of its own`,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', kind, weighted(3, 8, 8)));
        await connect(play, 12, 40_000, { text: established });
        await play.servers('-t vip:80');
        await connect(play, 12, 41_000, { text: established });
        await play.servers('-t vip:80');
      },
    })),
    evensOut([1, 1, 1], 0.6, 1.4),
    evensOut([3, 1], 0.6, 1.4),
    twosWith('one server that is not drained', weighted(0, 2, 0)),
    twosWith('all servers drained', weighted(0, 0, 0)),
    twosWith('one server at its threshold and the other drained', ['rs1:8080 -x 2', 'rs2:8080 -w 0']),
    {
      name: 'twos: a server drained and removed',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'twos', weighted(1, 1)));
        await play.ipvsadm('-e -t vip:80 -r rs2:8080 -m -w 0');
        await connect(play, 3, 40_000);
        await play.ipvsadm('-e -t vip:80 -r rs2:8080 -m -w 1', '-d -t vip:80 -r rs1:8080');
        await connect(play, 3, 40_100);
        await play.servers('-t vip:80');
      },
    },
  ],
};
