// SPDX-License-Identifier: Apache-2.0
/** What becomes of connections when their server is drained, removed, comes back or is full. */
import { Conversation, serviceLines } from '../conversation.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

async function established(play: Play, port = 40_000): Promise<Conversation> {
  const one = new Conversation(play, { port });
  await one.say('>S <SA >A');
  return one;
}

const asTheKernel = { ipvs: { removed_servers: 'silent' } };

/** A removal in the middle of a connection; `vsnat` settings or the recorded difference, as given. */
const removal = (name: string, options: Partial<Scenario>): Scenario => ({
  name,
  ...options,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
    const one = await established(play);
    await play.ipvsadm('-d -t vip:80 -r rs3:8080');
    await one.say('>AP+10 <AP+20');
    await play.connections();
    await one.say('>A >AF');
    await new Conversation(play, { port: 41_000 }).say('>S');
  },
});

const thresholds = (name: string, options: string, play: (play: Play) => Promise<void>): Scenario => ({
  name,
  play: async (p) => {
    await p.ipvsadm(...serviceLines('-t vip:80', 'rr', ['rs1', `rs2:8080 ${options}`]));
    await play(p);
    await p.servers('-t vip:80');
  },
});

const many = async (play: Play, times: number, port: number, text = '>S'): Promise<void> => {
  for (let i = 0; i < times; i += 1) await new Conversation(play, { port: port + i }).say(text);
};

export const servers: Topic = {
  name: 'servers',
  scenarios: [
    {
      name: 'A server with weight 0 keeps its connections and gets no new ones',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const one = await established(play);
        await play.ipvsadm('-e -t vip:80 -r rs3:8080 -m -w 0');
        await one.say('>AP+10 <A');
        await many(play, 4, 41_000);
        await one.say('>AF <A <AF >A');
        await play.servers('-t vip:80');
      },
    },
    removal('The server of a connection is removed: its packets are dropped, with removed_servers: silent', {
      vsnat: asTheKernel,
      differs: 'removed-server-replies',
      alone: true,
    }),
    removal('The server of a connection is removed', { differs: 'removed-server' }),
    {
      name: 'A server that is added again gets its connections back',
      vsnat: asTheKernel,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const one = await established(play);
        await play.ipvsadm('-d -t vip:80 -r rs3:8080');
        await one.say('>AP+10');
        await play.ipvsadm('-a -t vip:80 -r rs3:8080 -m');
        await one.say('>AP+10 <AP+20 >A');
        await play.servers('-t vip:80');
        await play.connections();
      },
    },
    {
      name: 'The server of a UDP connection is removed, with removed_servers: silent',
      vsnat: asTheKernel,
      differs: 'removed-server-replies',
      alone: true,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'rr'));
        await play.send('client', { kind: 'udp', from: 'client:40000', to: 'vip:53', data: 'one' });
        await play.ipvsadm('-d -u vip:53 -r rs3:8080');
        await play.send('client', { kind: 'udp', from: 'client:40000', to: 'vip:53', data: 'two' });
        await play.send('rs3', { kind: 'udp', from: 'rs3:8080', to: 'client:40000', data: 'late' });
        await play.send('client', { kind: 'udp', from: 'client:40001', to: 'vip:53', data: 'three' });
      },
    },
    {
      name: 'The server of a UDP connection is removed',
      differs: 'removed-server',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-u vip:53', 'rr'));
        await play.send('client', { kind: 'udp', from: 'client:40000', to: 'vip:53', data: 'one' });
        await play.ipvsadm('-d -u vip:53 -r rs3:8080');
        await play.send('client', { kind: 'udp', from: 'client:40000', to: 'vip:53', data: 'two' });
        await play.connections();
      },
    },
    {
      name: 'A SYN of a removed server’s connection that was closed begins a new one',
      vsnat: asTheKernel,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const one = await established(play);
        await one.say('>AF <A <AF >A');
        await play.ipvsadm('-d -t vip:80 -r rs3:8080');
        await new Conversation(play).say('>S <SA >A');
        await play.connections();
      },
    },
    {
      name: 'A SYN of a removed server’s connection that is not closed',
      vsnat: asTheKernel,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await established(play);
        await play.ipvsadm('-d -t vip:80 -r rs3:8080');
        await play.send('client', {
          kind: 'tcp',
          from: 'client:40000',
          to: 'vip:80',
          flags: 'S',
          seq: 70_000,
        });
        await play.connections();
      },
    },
    {
      name: 'A service without servers, then with one, then without again',
      play: async (play) => {
        await play.ipvsadm('-A -t vip:80 -s rr');
        await many(play, 1, 40_000);
        await play.ipvsadm('-a -t vip:80 -r rs1:8080 -m');
        await many(play, 1, 40_001);
        await play.ipvsadm('-d -t vip:80 -r rs1:8080');
        await many(play, 1, 40_002);
      },
    },
    thresholds('A server at its upper threshold gets no more', '-x 2', async (play) => many(play, 8, 40_000)),
    thresholds(
      'Closed connections count for the threshold until they are forgotten',
      '-x 2',
      async (play) => {
        await many(play, 6, 40_000, '>S <SA >A >AF <A <AF >A');
      },
    ),
    thresholds('A full server takes again below three quarters of its threshold', '-x 4', async (play) => {
      await many(play, 8, 40_000);
      await many(play, 1, 41_000, '>S <RA');
      // Those of the full server that were refused are forgotten after 10 s.
      for (const port of [40_000, 40_002]) {
        await play.send('rs2', {
          kind: 'tcp',
          from: 'rs2:8080',
          to: `client:${port}`,
          flags: 'RA',
          ack: 1001,
        });
      }
      await play.wait(12_500);
      await many(play, 4, 42_000);
    }),
    thresholds('A full server takes again below its lower threshold', '-x 4 -y 4', async (play) => {
      await many(play, 8, 40_000);
      await play.send('rs2', { kind: 'tcp', from: 'rs2:8080', to: 'client:40000', flags: 'RA', ack: 1001 });
      await play.wait(12_500);
      await many(play, 4, 42_000);
    }),
    thresholds('A threshold raised on a full server', '-x 1', async (play) => {
      await many(play, 4, 40_000);
      await play.ipvsadm('-e -t vip:80 -r rs2:8080 -m -x 3');
      await many(play, 6, 41_000);
    }),
    thresholds('A threshold lowered below what a server has', '-x 0', async (play) => {
      await many(play, 4, 40_000);
      await play.ipvsadm('-e -t vip:80 -r rs2:8080 -m -x 1');
      await many(play, 3, 41_000);
      await play.ipvsadm('-e -t vip:80 -r rs2:8080 -m -x 0');
      await many(play, 3, 42_000);
    }),
    {
      name: 'All servers at their thresholds are no server',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'wlc', ['rs1:8080 -x 1', 'rs2:8080 -x 1']));
        await many(play, 3, 40_000);
      },
    },
    ...['sh', 'sh -b sh-fallback', 'mh', 'mh -b mh-fallback', 'wrr', 'lc'].map((kind, k): Scenario => ({
      name: `${kind} with a full server`,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', kind, ['rs1', 'rs2:8080 -x 1', 'rs3:8080 -w 2']));
        for (let i = 0; i < 12; i += 1)
          await new Conversation(play, { client: `198.51.100.${i * 19 + 3}`, port: 40_000 + k }).say('>S');
      },
    })),
    {
      name: 'The service of a connection is deleted',
      differs: 'deleted-service',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'), ...serviceLines('-t vip:81', 'rr'));
        const one = await established(play);
        await play.ipvsadm('-D -t vip:80');
        await one.say('>AP+10 <AP+20');
      },
    },
    {
      name: 'Another service on the VIP is deleted',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'), ...serviceLines('-t vip:81', 'rr'));
        const one = await established(play);
        await play.ipvsadm('-D -t vip:81');
        await one.say('>AP+10 <AP+20 >A');
        await new Conversation(play, { to: 'vip:81', port: 41_000 }).say('>S');
      },
    },
    ...(['', '-v6'] as const).map((mark): Scenario => ({
      name: `A service is deleted and made again: its connections go on, over IPv${mark === '' ? 4 : 6}`,
      play: async (play) => {
        const lines = serviceLines(`-t vip${mark}:80`, 'rr');
        await play.ipvsadm(...lines);
        const one = new Conversation(play, { client: `client${mark}` });
        await one.say('>S <SA >A');
        await play.ipvsadm(`-D -t vip${mark}:80`);
        await play.ipvsadm(...lines);
        await one.say('>AP+10 <AP+20 >A');
        await play.servers(`-t vip${mark}:80`);
        await new Conversation(play, { client: `client${mark}`, port: 41_000 }).say('>S');
        await play.connections();
      },
    })),
    {
      name: 'A service comes back with fewer servers',
      vsnat: asTheKernel,
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const [one, two] = [await established(play), await established(play, 40_001)];
        await play.ipvsadm('-D -t vip:80');
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr', ['rs1', 'rs2']));
        await one.say('>AP+10');
        await two.say('>AP+10 <AP+20');
        await many(play, 3, 41_000);
        await play.servers('-t vip:80');
      },
    },
    {
      name: 'A service is made again with another scheduler',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await many(play, 4, 40_000, '>S <SA >A');
        await play.ipvsadm('-D -t vip:80');
        await play.ipvsadm(...serviceLines('-t vip:80', 'wlc'));
        await many(play, 5, 41_000);
        await play.servers('-t vip:80');
      },
    },
  ],
};
