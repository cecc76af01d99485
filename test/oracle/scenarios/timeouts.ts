// SPDX-License-Identifier: Apache-2.0
/** `ipvsadm --set`: the three timeouts that can be changed, on connections that are there and on new ones. */
import { Conversation, familyMark, serviceLines } from '../conversation.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

const open = async (play: Play, port: number, text: string): Promise<Conversation> => {
  const one = new Conversation(play, { port });
  await one.say(text);
  return one;
};

const query = (play: Play, client: string): Promise<unknown> =>
  play.send('client', {
    kind: 'udp',
    from: `${client}:41000`,
    to: `vip${familyMark(client)}:53`,
    data: 'query',
  });

const scenario = (name: string, play: Scenario['play']): Scenario => ({ name, play });

const bothServices = [...serviceLines('-t vip:80', 'rr'), ...serviceLines('-u vip:53', 'rr')];

export const timeouts: Topic = {
  name: 'timeouts',
  scenarios: [
    scenario('New connections have the timeouts that were set', async (play) => {
      await play.ipvsadm('--set 100 30 50', ...bothServices);
      await open(play, 40_000, '>S');
      await open(play, 40_001, '>S <SA >A');
      await open(play, 40_002, '>S <SA >A <AF');
      await open(play, 40_003, '>S <SA >A >AF <AF >A');
      await open(play, 40_004, '>S <RA');
      await query(play, 'client');
      await play.connections();
    }),
    scenario('A connection that is there has a new timeout with its next packet', async (play) => {
      await play.ipvsadm(...bothServices);
      const one = await open(play, 40_000, '>S <SA >A');
      const two = await open(play, 40_001, '>S <SA >A <AF');
      await query(play, 'client');
      await play.ipvsadm('--set 100 30 50');
      await play.connections();
      await one.say('>AP+5');
      await two.say('>A');
      await query(play, 'client');
      await play.connections();
    }),
    scenario('Zeros leave a timeout as it is', async (play) => {
      await play.ipvsadm(...bothServices, '--set 0 0 70');
      await open(play, 40_000, '>S <SA >A');
      await query(play, 'client');
      await play.ipvsadm('--set 200 0 0');
      await open(play, 40_001, '>S <SA >A');
      await open(play, 40_002, '>S <SA >A <AF');
      await query(play, 'client2');
      await play.connections();
    }),
    scenario('A UDP connection is forgotten when its time is up', async (play) => {
      await play.ipvsadm('--set 0 0 3', ...bothServices);
      await query(play, 'client');
      await play.servers('-u vip:53');
      await play.wait(5_500);
      await play.connections();
      await play.servers('-u vip:53');
      await query(play, 'client');
    }),
    scenario('What was set holds for IPv6, too', async (play) => {
      await play.ipvsadm('--set 100 30 50', ...serviceLines('-u vip-v6:53', 'rr'));
      await query(play, 'client-v6');
      await play.connections();
    }),
  ],
};
