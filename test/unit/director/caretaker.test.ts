// SPDX-License-Identifier: Apache-2.0
/** A director over time: what checks say and the clock does to what is published. */
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { noSignals } from '../../../src/dataplane/signals.js';
import { Director } from '../../../src/director/director.js';
import { RunTime } from '../../../src/director/run-time.js';
import { realServer, type VirtualServiceOptions } from '../../../src/model/index.js';
import { idOf, modelWith, web } from './models.js';
import { check, HandClock, PlayedMonitor } from './played.js';

async function running(...services: VirtualServiceOptions[]) {
  const dataplane = new FakeDataplane({ limits: { serverSlots: 256, serviceSlots: 16 } });
  const clock = new HandClock();
  let monitor: PlayedMonitor | undefined;
  const director = await Director.start(
    { dataplane, clock, health: (onChange) => (monitor = new PlayedMonitor(onChange)) },
    modelWith(...services.map((service) => ({ health: [check], ...service }))),
  );
  if (monitor === undefined) throw new Error('nobody checks');
  const weights = (name = 'web'): string =>
    director
      .services()
      .find(({ service }) => service === name)
      ?.servers.map(({ standing }) => standing.effectiveWeight)
      .join(' ') ?? '';
  const texts = (): string[] => director.events.after().events.map(({ text }) => text);
  return { dataplane, clock, monitor, director, runTime: new RunTime(director), weights, texts };
}

const dns = web('c d', { name: 'dns', listen: 'udp://10.9.0.1:53' });

describe('a director with checks', () => {
  it('publishes what they find, and of that only the service it concerns', async () => {
    const { dataplane, monitor, weights } = await running(web('a b'), dns);
    expect(weights()).toBe('1 1');
    monitor.say('a', 'down');
    expect(weights()).toBe('0 1');
    expect(dataplane.updates).toMatchObject([
      { services: [{ slot: 0, servers: [{ weight: 0, withdrawn: true }, { weight: 1 }] }], removed: [] },
    ]);
    monitor.say('a', 'up');
    expect(weights()).toBe('1 1');
    expect(dataplane.updates).toHaveLength(2);
  });

  it('publishes nothing when nothing comes of it', async () => {
    const { dataplane, monitor } = await running(web('a b'));
    monitor.say('ab', 'up');
    monitor.say('a', 'up');
    expect(dataplane.published).toHaveLength(1);
  });

  it('swaps once for all that changed together', async () => {
    const { dataplane, monitor } = await running(web('a b c'));
    monitor.say('ab', 'down');
    expect(dataplane.published).toHaveLength(2);
  });

  it('goes on as it was when the dataplane refuses, and tries again with the next verdict', async () => {
    const { dataplane, monitor, weights, texts } = await running(web('a b'));
    dataplane.failNext = new Error('no memory');
    monitor.say('a', 'down');
    expect(weights()).toBe('1 1');
    expect(texts()).toEqual(['a change of standing was refused: no memory']);
    monitor.say('a', 'down');
    expect(weights()).toBe('0 1');
  });

  it('keeps a verdict over a reload, has the checks follow the model, and keeps it through a refused one', async () => {
    const { director, monitor, weights } = await running(web('a b'));
    monitor.say('a', 'down');
    const wanted = modelWith({ ...web('a b c'), health: [check] });
    await director.apply(wanted);
    expect(weights()).toBe('0 1 0');
    expect(monitor.updates.at(-1)?.services[0]?.servers).toHaveLength(3);
    monitor.say('c', 'up');
    expect(weights()).toBe('0 1 1');
  });

  it('reads no counters for a verdict', async () => {
    const { dataplane, monitor } = await running(web('a b', { scheduler: 'wlc' }));
    const before = dataplane.countersCalls;
    monitor.say('a', 'down');
    expect(dataplane.countersCalls).toBe(before);
  });

  it('tells what happened, and why', async () => {
    const { monitor, texts } = await running(web('a b', { sorryServers: [realServer('10.2.9.9:80')] }));
    monitor.say('a', 'down');
    monitor.say('b', 'down', 'web', 'no answer');
    monitor.say('b', 'up', 'web', 'connected');
    expect(texts()).toEqual([
      `server ${idOf('a')} of web is down: tcp check: refused`,
      'service web: the quorum is lost; its sorry servers serve',
      `server ${idOf('b')} of web is down: tcp check: no answer`,
      'service web: the quorum is met again',
      `server ${idOf('b')} of web is up: tcp check: connected`,
    ]);
  });

  it('says by name why a server is down, and nothing of one that is up', async () => {
    const { monitor, director } = await running(web('a'));
    monitor.say('a', 'down');
    monitor.say('a', 'up');
    const health = director.events.after().events.filter(({ kind }) => kind === 'health');
    expect(health.map(({ detail }) => detail['reason'])).toEqual(['refused', null]);
  });

  it('sums up what is too much to tell one by one', async () => {
    const letters = Array.from({ length: 130 }, (_, index) => String.fromCharCode(index + 1));
    const { monitor, director } = await running({
      ...web(''),
      servers: letters.map((letter) => realServer(idOf(letter))),
    });
    monitor.say(letters.join(''), 'down');
    const health = director.events.after().events.filter(({ kind }) => kind === 'health');
    expect(health).toHaveLength(101);
    expect(health.at(-1)?.text).toBe('30 more events of this kind at once, in 1 services');
  });

  it('ends its checks and timers when it is closed', async () => {
    const { director, monitor, clock } = await running(
      web('a b', { slowStart: { seconds: 10, from: 0.1, curve: 1 } }),
    );
    monitor.say('a', 'down');
    monitor.say('a', 'up');
    expect(clock.pending).toBe(1);
    await director.close();
    expect(monitor.closed).toBe(true);
    expect(clock.pending).toBe(0);
    expect(() => monitor.say('a', 'down')).not.toThrow();
  });
});

describe('what clients meet', () => {
  const listening = { ...web('a b'), health: [{ ...check, passive: true }] };
  const trouble = (packets: number) => ({
    inPackets: packets,
    signals: { ...noSignals, handshakesRefused: packets },
  });

  it('has the server they meet it at checked sooner, and tells why', async () => {
    const { dataplane, clock, monitor, director, texts, weights } = await running(listening);
    monitor.say('ab', 'up');
    await clock.turn(250);
    dataplane.setServer(0, trouble(1));
    await clock.turn(250);
    dataplane.setServer(0, trouble(4));
    await clock.turn(250);
    const why = 'is suspect and checked sooner: 3 connections refused';
    expect(texts()).toEqual([`server ${idOf('a')} of web ${why}`]);
    expect(weights()).toBe('1 1');
    expect(clock.pending).toBe(1);
    await director.close();
    expect(clock.pending).toBe(0);
  });

  it('is not even looked at where no check listens', async () => {
    const { clock } = await running(web('a b'));
    expect(clock.pending).toBe(0);
  });

  it('says nothing of a server that is down already', async () => {
    const { dataplane, clock, monitor, texts } = await running(listening);
    monitor.say('a', 'down');
    dataplane.setServer(0, trouble(1));
    await clock.turn(250);
    dataplane.setServer(0, trouble(9));
    await clock.turn(250);
    expect(texts()).toHaveLength(1);
  });
});

describe('time', () => {
  it('brings a slow start step by step to its end', async () => {
    const { monitor, clock, dataplane, weights } = await running(
      web('a b', { slowStart: { seconds: 10, from: 0.1, curve: 1 } }),
    );
    monitor.say('a', 'down');
    monitor.say('a', 'up');
    expect(weights()).toBe('0.1 1');
    await clock.turn(5_000);
    expect(weights()).toBe('0.55 1');
    await clock.turn(6_000);
    expect(weights()).toBe('1 1');
    expect(clock.pending).toBe(0);
    expect(dataplane.published.at(-1)?.services[0]?.servers.map(({ weight }) => weight)).toEqual([1, 1]);
  });

  it('brings a drain to its deadline: no template leads there any more, and what is left is ended', async () => {
    const { runTime, clock, dataplane, director, texts } = await running(web('a b'));
    dataplane.setServer(0, { active: 3 });
    dataplane.flowsToEnd = 3;
    const server = { service: 'web', server: idOf('a') };
    await runTime.change([{ op: 'drain', ...server, deadlineSeconds: 30, then: 'silence' }]);
    const standing = () => director.services()[0]?.servers[0]?.standing;
    expect(standing()).toMatchObject({ place: 'draining', effectiveWeight: 0, drainSeconds: 30 });
    await clock.turn(29_999);
    expect(dataplane.ended).toEqual([]);
    expect(standing()?.drainSeconds).toBeCloseTo(0.001);
    await clock.turn(1);
    expect(dataplane.ended).toEqual([{ selection: { serverSlot: 0 }, ending: 'silence' }]);
    expect(dataplane.published.at(-1)?.services[0]?.servers[0]).toMatchObject({ weight: 0, withdrawn: true });
    dataplane.setServer(0, { active: 0 });
    await clock.turn(1_000);
    await runTime.change([{ op: 'undrain', ...server }]);
    expect(texts()).toEqual([
      `server ${idOf('a')} of web gets no new connections; what is left in 30 s is ended`,
      `server ${idOf('a')} of web has reached its deadline; 3 connections silenced`,
      `server ${idOf('a')} of web is empty`,
      `server ${idOf('a')} of web gets new connections again`,
    ]);
    expect(standing()).toMatchObject({ place: 'serving', effectiveWeight: 1 });
  });

  it('does not end what was taken back before the deadline', async () => {
    const { runTime, clock, dataplane } = await running(web('a b'));
    const server = { service: 'web', server: idOf('a') };
    await runTime.change([{ op: 'drain', ...server, deadlineSeconds: 30 }]);
    await runTime.change([{ op: 'enable', ...server }]);
    await clock.turn(60_000);
    expect(dataplane.ended).toEqual([]);
  });
});

describe('connections ended on request', () => {
  it('are chosen by names, told to the dataplane by slots', async () => {
    const { director, dataplane, texts } = await running(web('a b'), dns);
    dataplane.flowsToEnd = 2;
    const end = (...of: Parameters<typeof director.endConnections>): Promise<number> =>
      director.endConnections(...of);
    expect(await end({ service: 'dns', server: idOf('d') })).toBe(2);
    await end({ service: 'tcp://10.9.0.1:80' }, 'silence');
    await end({ server: idOf('a') });
    await end({ protocol: 'tcp', clientPort: 4711 });
    expect(dataplane.ended).toEqual([
      { selection: { serviceSlot: 1, serverSlot: 3 }, ending: 'reset' },
      { selection: { serviceSlot: 0 }, ending: 'silence' },
      { selection: { realAddress: '10.2.1.97', realPort: 8080 }, ending: 'reset' },
      { selection: { protocol: 'tcp', clientPort: 4711 }, ending: 'reset' },
    ]);
    expect(texts()[1]).toBe('2 connections silenced on request');
  });

  it('must be of a service and a server that are there', async () => {
    const { director } = await running(web('a b'), dns);
    await expect(director.endConnections({ service: 'wbe' })).rejects.toThrow('service wbe: must exist');
    await expect(director.endConnections({ service: 'web', server: idOf('c') })).rejects.toThrow(
      'must exist in service web',
    );
    await expect(director.endConnections({ server: 'nobody' })).rejects.toThrow('server nobody: must');
  });
});
