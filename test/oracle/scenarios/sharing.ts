// SPDX-License-Identifier: Apache-2.0
/** Services that share real servers, and clients that use one port for several services. */
import { Conversation, serviceLines } from '../conversation.js';
import type { Scenario, Topic } from '../scenario.js';

export const sharing: Topic = {
  name: 'sharing',
  scenarios: [
    {
      name: 'One client port to two VIPs that share their only server: whose reply is it?',
      differs: 'reply-tuple',
      play: async (play) => {
        await play.ipvsadm(
          ...serviceLines('-t vip:80', 'rr', ['rs1']),
          ...serviceLines('-t vip2:80', 'rr', ['rs1']),
        );
        const first = new Conversation(play, { to: 'vip:80' });
        const second = new Conversation(play, { to: 'vip2:80' });
        await first.say('>S <SA >A');
        await second.say('>S');
        await first.say('<AP+10');
        await play.connections();
      },
    },
    {
      name: 'One client port to two VIPs that share three servers',
      differs: 'reply-tuple',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'), ...serviceLines('-t vip2:80', 'rr'));
        const first = new Conversation(play, { to: 'vip:80' });
        const second = new Conversation(play, { to: 'vip2:80' });
        await first.say('>S <SA >A');
        await second.say('>S <SA >A');
        await first.say('<AP+10 >A');
        await second.say('<AP+20 >A');
      },
    },
    {
      name: 'One client port to two VIPs on servers of their own',
      play: async (play) => {
        await play.ipvsadm(
          ...serviceLines('-t vip:80', 'rr', ['rs1']),
          ...serviceLines('-t vip2:80', 'rr', ['rs2']),
        );
        const first = new Conversation(play, { to: 'vip:80' });
        const second = new Conversation(play, { to: 'vip2:80' });
        await first.say('>S <SA >A');
        await second.say('>S <SA >A >AP+3 <AP+4');
        await first.say('>AP+1 <AP+2');
        await play.connections();
      },
    },
    {
      name: 'Two clients with the same port',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr', ['rs1']));
        const first = new Conversation(play, { client: 'client' });
        const second = new Conversation(play, { client: 'client2' });
        await first.say('>S');
        await second.say('>S');
        await first.say('<SA >A');
        await second.say('<SA >A');
        await play.connections();
      },
    },
    {
      name: 'The same port for TCP and UDP',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'), ...serviceLines('-u vip:80', 'rr'));
        await new Conversation(play).say('>S <SA >A');
        await play.send('client', { kind: 'udp', from: 'client:40000', to: 'vip:80', data: 'query' });
        await play.send('rs3', { kind: 'udp', from: 'rs3:8080', to: 'client:40000', data: 'answer' });
        await play.connections();
      },
    },
    ...(['', '-v6'] as const).map((mark): Scenario => ({
      name: `A service whose servers listen on three different ports, over IPv${mark === '' ? 4 : 6}`,
      play: async (play) => {
        await play.ipvsadm(
          `-A -t vip${mark}:80 -s rr`,
          `-a -t vip${mark}:80 -r rs1${mark}:80 -m`,
          `-a -t vip${mark}:80 -r rs1${mark}:8081 -m`,
          `-a -t vip${mark}:80 -r rs2${mark}:443 -m`,
        );
        for (const [i, realPort] of [443, 8081, 80, 443].entries())
          await new Conversation(play, { client: `client${mark}`, port: 40_000 + i, realPort }).say(
            '>S <SA >A',
          );
      },
    })),
    {
      name: 'A service on the port the servers use',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:8080', 'rr'));
        await new Conversation(play, { to: 'vip:8080' }).say('>S <SA >A >AP+9 <AP+9');
      },
    },
    {
      name: 'RSTs whose sequence numbers cannot be those of an end',
      differs: 'blind-reset',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const one = new Conversation(play);
        await one.say('>S <SA >A >AP+10 <A');
        await one.segment('client', { flags: 'R', seq: 3_000_000_000 });
        await play.connections();
        await new Conversation(play, { port: 40_001 }).say('>S <SA >A <AP+10 >A');
        await play.send('rs2', { kind: 'tcp', from: 'rs2:8080', to: 'client:40001', flags: 'R', seq: 1 });
        await play.connections();
      },
    },
    {
      name: 'RSTs that are plausible',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await new Conversation(play).say('>S <SA >A >AP+10 <A >R');
        await new Conversation(play, { port: 40_001 }).say('>S <SA >A <AP+10 >A <R');
        await play.connections();
      },
    },
  ],
};
