// SPDX-License-Identifier: Apache-2.0
/** A client port that is used again, in every state its last connection may be in. */
import { Conversation, serviceLines } from '../conversation.js';
import type { Scenario, Topic } from '../scenario.js';

const endings: Readonly<Record<string, string>> = {
  'TIME_WAIT, the client closed first': '>S <SA >A >AF <A <AF >A',
  'TIME_WAIT, the server closed first': '>S <SA >A <AF >A >AF <A',
  'CLOSE, refused': '>S <RA',
  'CLOSE, aborted': '>S <SA >A >R',
  CLOSE_WAIT: '>S <SA >A >AF <A',
  FIN_WAIT: '>S <SA >A <AF >A',
  SYN_RECV: '>S',
  'SYN_RECV, answered': '>S <SA',
  ESTABLISHED: '>S <SA >A',
};

const again = (state: string, text: string, flags: string): Scenario => ({
  name: `A ${flags} from the port of a connection in ${state}`,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
    await new Conversation(play).say(text);
    await play.connections();
    await play.send('client', {
      kind: 'tcp',
      from: 'client:40000',
      to: 'vip:80',
      flags,
      seq: 900_000,
      ack: 1,
    });
    await play.connections();
    await play.servers('-t vip:80');
  },
});

export const reuse: Topic = {
  name: 'reuse',
  scenarios: [
    ...Object.entries(endings).map(([state, text]) => again(state, text, 'S')),
    ...Object.entries(endings)
      .filter(([state]) => /^(TIME_WAIT, the client|CLOSE, refused|CLOSE_WAIT|ESTABLISHED)/.test(state))
      .flatMap(([state, text]) => [again(state, text, 'A'), again(state, text, 'FA')]),
    {
      name: 'A whole second connection from a port in TIME_WAIT',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        await new Conversation(play).say('>S <SA >A >AF <A <AF >A');
        await new Conversation(play).say('>S <SA >A >AP+5 <A >AF <A <AF >A');
        await play.connections();
        await play.servers('-t vip:80');
      },
    },
    {
      name: 'A connection that was refused is forgotten after ten seconds',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const one = new Conversation(play);
        await one.say('>S <RA');
        await play.wait(12_500);
        await play.connections();
        await one.say('>A');
        await play.servers('-t vip:80');
      },
    },
    {
      name: 'A late SYN-ACK of a connection that was refused and forgotten',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
        const one = new Conversation(play);
        await one.say('>S <RA');
        await play.wait(12_500);
        await one.say('<SA');
      },
    },
  ],
};
