// SPDX-License-Identifier: Apache-2.0
/** However many servers there are, each gets its look in time, and no look is at so many that the event loop waits for it. */
import { describe, expect, it } from 'vitest';

import type { SignsWatch } from '../../../src/dataplane/signs.js';
import { Events } from '../../../src/director/events.js';
import { mostPerLook, PassiveWatch } from '../../../src/director/passive-watch.js';
import { serverId, virtualService } from '../../../src/model/index.js';
import { check, HandClock, PlayedMonitor } from './played.js';

const passive = [{ ...check, passive: true }];

function watching(count: number) {
  const addresses = Array.from(
    { length: count },
    (_, index) => `10.${2 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}:80`,
  );
  const service = virtualService({
    name: 'web',
    listen: 'tcp://10.9.0.1:80',
    servers: addresses,
    health: passive,
  });
  const placed = {
    slot: 0,
    servers: service.servers.map((server, index) => ({ server: serverId(server), slot: 5 + index })),
  };
  /** By slot, what the dataplane has counted. */
  const connections = new Map<number, number>();
  const answers = new Map<number, number>();
  const looks: { readonly at: number; readonly slots: Uint32Array }[] = [];
  const clock = new HandClock();
  const signs = ({ slots, seen }: SignsWatch): Float64Array => {
    looks.push({ at: clock.now(), slots });
    return Float64Array.from(
      [...slots].flatMap((slot, place) => {
        const [came, answered] = [connections.get(slot) ?? 0, answers.get(slot) ?? 0];
        if (came + answered === seen[place]) return [];
        seen[place] = came + answered;
        return [place, came, answered, 0, 0, 0, 0];
      }),
    );
  };
  const monitor = new PlayedMonitor(() => undefined);
  const suspected: string[] = [];
  monitor.suspect = (_, server) => void suspected.push(server);
  monitor.state = (name, server) => ({
    service: name,
    server,
    verdict: 'up',
    weightPercent: null,
    drainAsked: false,
    suspect: suspected.includes(server),
    since: 0,
    checks: [],
  });
  const watch = new PassiveWatch({ dataplane: { signs }, monitor, events: new Events(clock.now), clock });
  watch.follow([[service, placed as never]]);
  return { clock, looks, watch, connections, answers, suspected, service, placed };
}

describe('looks at what clients meet', () => {
  it('are four a second, at all servers, where these are few', async () => {
    const { clock, looks } = watching(1000);
    await clock.turn(2000);
    expect(looks.map(({ at }) => at)).toEqual([250, 500, 750, 1000, 1250, 1500, 1750, 2000]);
    expect(looks.every(({ slots }) => slots.length === 1000)).toBe(true);
  });

  it('are at a few thousand at a time where they are many, and at each twice a second of 50,000', async () => {
    const { clock, looks } = watching(50_000);
    await clock.turn(1501);
    expect(Math.max(...looks.map(({ slots }) => slots.length))).toBe(mostPerLook);
    const times = new Map<number, number>();
    for (const { slots } of looks) for (const slot of slots) times.set(slot, (times.get(slot) ?? 0) + 1);
    expect(times.size).toBe(50_000);
    expect(new Set(times.values())).toEqual(new Set([3]));
  });

  it('find a silent server in whichever part it is, and after a change that moves it to another', async () => {
    const { clock, watch, connections, answers, suspected, service, placed } = watching(20_000);
    const slots = [7, 9000, 19_000];
    const meet = (by: number, answered: number): void => {
      for (const slot of slots) {
        connections.set(slot, (connections.get(slot) ?? 0) + by);
        answers.set(slot, (answers.get(slot) ?? 0) + answered);
      }
    };
    meet(10, 10);
    await clock.turn(600);
    meet(10, 10);
    await clock.turn(600);
    const fewer = { ...service, servers: service.servers.slice(1000) };
    watch.follow([[fewer, { ...placed, servers: placed.servers.slice(1000) } as never]]);
    meet(5, 0);
    await clock.turn(600); // from here on silence without any news
    await clock.turn(600);
    expect(new Set(suspected)).toEqual(
      new Set([9000, 19_000].map((slot) => placed.servers[slot - 5]?.server)),
    );
  });

  it('end, and begin no more', async () => {
    const { clock, looks, watch } = watching(20_000);
    await clock.turn(300);
    watch.close();
    const before = looks.length;
    await clock.turn(3000);
    expect(looks.length).toBe(before);
    expect(clock.pending).toBe(0);
  });
});
