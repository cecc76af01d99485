// SPDX-License-Identifier: Apache-2.0
/** The defences that watch the memory, those with chance in them, and what lblcr forgets. */
import { Conversation, serviceLines } from '../conversation.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

/** Once a second the memory is looked at. */
const aDefenceTick = 2_500;
/** More pages than there are: memory is always short. */
const memoryIsShort = { amemthresh: 0x7fffffff };

const many = async (play: Play, times: number, firstPort: number, text: string): Promise<void> => {
  for (let i = 0; i < times; i += 1) await new Conversation(play, { port: firstPort + i }).say(text);
};

const securePath = '>S <SA >A >AP+10 <A';

const secure = (mode: number, isShort: boolean): Scenario => ({
  name: `secure_tcp ${mode} while memory is ${isShort ? 'short' : 'plenty'}`,
  sysctls: { ...(isShort && memoryIsShort), secure_tcp: mode },
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
    await play.wait(aDefenceTick);
    await new Conversation(play).say(securePath, { states: true });
  },
});

const dropping = (mode: number, isShort: boolean): Scenario => ({
  name: `drop_packet ${mode} while memory is ${isShort ? 'short' : 'plenty'}`,
  sysctls: { ...(isShort && memoryIsShort), drop_packet: mode },
  alone: true,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', 'rr'));
    await play.wait(aDefenceTick);
    await many(play, 3, 40_000, '>S');
    await play.servers('-t vip:80');
  },
});

const halfOpen = 200;
/** A 32nd of what is there, every second for as long: about 27 of 100 are gone. */
const sweeping = 10_000;

const sweep = (name: string, sysctls: Readonly<Record<string, number>>, isOn: boolean): Scenario => ({
  name: `drop_entry: ${name}`,
  sysctls,
  play: async (play) => {
    await play.ipvsadm(...serviceLines('-t vip:80', 'rr'), ...serviceLines('-u vip:53', 'rr'));
    const left = await play.unseen(
      `${halfOpen} clients that only send SYN, and 20 each with a connection over TCP and UDP`,
      async () => {
        await many(play, 20, 50_000, '>S <SA >A');
        for (let port = 51_000; port < 51_020; port += 1)
          await play.send('client', { kind: 'udp', from: `client:${port}`, to: 'vip:53', data: 'query' });
        await many(play, halfOpen, 40_000, '>S');
        await play.wait(sweeping);
        return play.connections();
      },
    );
    const count = (state: string): number => left.filter((one) => one.state === state).length;
    const gone = (halfOpen - count('SYN_RECV')) / halfOpen;
    play.claim(
      `${sweeping / 1000} s later ${isOn ? 'between a tenth and six tenths' : 'none'} of the half-open ones are gone`,
      isOn ? gone > 0.1 && gone < 0.6 : gone === 0,
    );
    play.claim('all established ones are there', count('ESTABLISHED') === 20);
    play.claim('all of UDP are there', count('UDP') === 20);
  },
});

/** A few connections behind each pause: only the pauses tell what is forgotten. */
const expiration = (name: string, pauses: readonly number[], differs?: string): Scenario => ({
  name: `lblcr_expiration: ${name}`,
  ...(differs !== undefined && { differs }),
  sysctls: { lblcr_expiration: 3 },
  play: async (play) => {
    await play.ipvsadm(
      ...serviceLines('-t vip:80', 'lblcr', ['rs1:8080 -w 2', 'rs2:8080 -w 2', 'rs3:8080 -w 2']),
    );
    await many(play, 12, 40_000, '>S <SA >A');
    for (const [i, pause] of pauses.entries()) {
      await play.wait(pause);
      await many(play, 3, 41_000 + i * 100, '>S <SA >A');
    }
    await play.servers('-t vip:80');
  },
});

export const defences: Topic = {
  name: 'defences',
  scenarios: [
    ...[1, 2].flatMap((mode) => [secure(mode, false), secure(mode, true)]),
    ...[1, 2].flatMap((mode) => [dropping(mode, false), dropping(mode, true)]),
    sweep('always', { drop_entry: 3 }, true),
    sweep('while memory is short', { ...memoryIsShort, drop_entry: 1 }, true),
    sweep('not while memory is plenty', { drop_entry: 1 }, false),
    expiration('the busiest of several servers is forgotten', [2_000, 2_000, 2_000, 2_000]),
    expiration('a VIP that nobody asked for', [5_000, 5_000], 'lblc-forgets-when-due'),
  ],
};
