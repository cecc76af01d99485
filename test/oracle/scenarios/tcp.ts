// SPDX-License-Identifier: Apache-2.0
/** TCP connections, packet by packet, with the state and timeout after each. */
import { Conversation, serviceLines } from '../conversation.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

const paths: Readonly<Record<string, string>> = {
  'a client that closes first': '>S <SA >A >AP+100 <A <AP+1000 >A >AF <A <AF >A',
  'a server that closes first': '>S <SA >A >AP+100 <A <AP+7 <AF >A >AF <A',
  'both ends closing at once': '>S <SA >A <AF >AF <A >A',
  'a refused connection': '>S <RA',
  'a client that resets during the handshake': '>S >R',
  'a client that resets after the SYN-ACK': '>S <SA >R',
  'a client that aborts': '>S <SA >A >AP+10 <A >R',
  'a client that aborts with an acknowledgment': '>S <SA >A >AP+10 <A >RA',
  'a server that aborts': '>S <SA >A >AP+10 <A <RA',
  'a half-closed connection the server goes on sending on': '>S <SA >A >AF <A <AP+500 >A <AP+500 >A <AF >A',
  'data on the third packet': '>S <SA >AP+200 <A',
  'a SYN-ACK that is repeated': '>S <SA <SA >A',
  'a SYN that is repeated': '>S >S <SA >A',
  'data after the FIN was acknowledged': '>S <SA >A >AF <A <AP+10 >A <AF >A >A',
  'a segment without any flag': '>S <SA >A >-',
  'a FIN before the handshake is over': '>S <SA >AF <A <AF >A',
  'a FIN from the server in answer to the SYN-ACK': '>S <SA <AF >A >AF <A',
  'a SYN inside an established connection': '>S <SA >A >S <A',
  'a SYN-ACK from the client inside an established connection': '>S <SA >A >SA',
  'a SYN from the server inside an established connection': '>S <SA >A <S >A',
  'urgent data and ECN bits': '>SEC <SAE >A >APU+5 <AE >AC',
  'acknowledgments only': '>S <SA >A >A >A <A',
};

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function path(name: string, text: string, mark: '' | '-v6'): Scenario {
  return {
    name: sentence(`${name}, over IPv${mark === '' ? 4 : 6}`),
    play: async (play: Play) => {
      await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr'));
      await new Conversation(play, { client: `client${mark}` }).say(text, { states: true });
      await play.servers(`-t vip${mark}:80`);
    },
  };
}

export const tcp: Topic = {
  name: 'tcp',
  scenarios: Object.entries(paths).flatMap(([name, text], i) =>
    i < 4 ? [path(name, text, ''), path(name, text, '-v6')] : [path(name, text, '')],
  ),
};
