// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { bad, good, skipped } from '../../../src/health/checker.js';
import { createMonitor } from '../../../src/health/monitor.js';
import type { CheckedState, HealthNotice, MonitorParts } from '../../../src/health/state.js';
import { realServer, type Model, type VirtualServiceOptions } from '../../../src/model/index.js';
import { modelWith, web } from '../director/models.js';
import { check, tcp } from './support/checks.js';
import { all, FakeChecker } from './support/fake-checkers.js';
import { FakeClock } from './support/fake-clock.js';

function setUp(parts: Partial<MonitorParts> = {}) {
  const clock = new FakeClock();
  const checker = new FakeChecker(clock);
  const changes: (readonly CheckedState[])[] = [];
  const notices: HealthNotice[] = [];
  const monitor = createMonitor({
    onChange: (states) => changes.push(states),
    onNotice: (notice) => notices.push(notice),
    checkers: all(checker),
    clock,
    random: () => 0.5,
    ...parts,
  });
  return { clock, checker, changes, notices, monitor };
}

const checked = (servers: string, extra: Partial<VirtualServiceOptions> = {}): VirtualServiceOptions =>
  web(servers, { health: [check(tcp)], ...extra });
const a = '10.2.1.97';
const verdicts = (states: readonly CheckedState[]): string[] =>
  states.map(({ service, server, verdict }) => `${service} ${server} ${verdict}`);
const manyServers = (count: number, more: Partial<VirtualServiceOptions> = {}): Model =>
  modelWith(
    checked('', {
      servers: Array.from({ length: count }, (_, i) => `10.3.${i >> 8}.${i & 255}:80`),
      ...more,
    }),
  );

describe('the monitor', () => {
  it('knows nothing at first, and the first answer decides', () => {
    const { clock, checker, changes, monitor } = setUp();
    checker.let(new Set([a]));
    monitor.update(modelWith(checked('a b')));
    expect(monitor.states().map(({ verdict }) => verdict)).toEqual(['unknown', 'unknown']);
    clock.advance(100);
    expect(changes.flatMap(verdicts)).toEqual(['web 10.2.1.97:8080 down', 'web 10.2.1.98:8080 up']);
    expect(monitor.state('web', '10.2.1.97:8080')).toMatchObject({
      since: clock.epoch + 3,
      checks: [
        {
          kind: 'tcp',
          lastReason: 'refused',
          lastMessage: 'dead',
          lastDurationMs: 1,
          consecutive: -1,
          rise: 2,
          fall: 3,
        },
      ],
    });
    expect(monitor.state('web', '10.2.1.99:8080')).toBeUndefined();
  });

  it('tells its checkers how many servers are asked, at each reload', () => {
    const { checker, monitor } = setUp();
    const counts = ['a b', 'a b', 'a c d', ''].map((servers) => {
      monitor.update(modelWith(checked(servers)));
      return checker.admitted;
    });
    expect(counts).toEqual([2, 2, 3, 0]);
  });

  it('says all changes of one turn at once, and each only once', () => {
    const { clock, changes, monitor } = setUp();
    monitor.update(modelWith(checked('a b c d')));
    clock.advance(10_000);
    expect(changes.map((states) => states.length)).toEqual([4]);
  });

  it('takes a server down after fall bad answers, asking faster meanwhile, and up after rise good ones', () => {
    const { clock, checker, changes, monitor } = setUp();
    monitor.update(modelWith(checked('a')));
    clock.advance(5000);
    checker.let(new Set([a]));
    const died = clock.now();
    clock.advance(4000);
    expect(changes.flatMap(verdicts)).toEqual(['web 10.2.1.97:8080 up', 'web 10.2.1.97:8080 down']);
    const after = checker.asked.map(({ at }) => at).filter((at) => at >= died);
    expect(after.slice(1, 3).map((at, i) => at - (after[i] ?? 0))).toEqual([500, 500]);
    expect(after.slice(3, 4).map((at) => at - (after[2] ?? 0))).toEqual([2000]);
    checker.let(new Set());
    clock.advance(3000);
    expect(changes.flatMap(verdicts).at(-1)).toBe('web 10.2.1.97:8080 up');
  });

  it('asks once for services that share a server, and tells each', () => {
    const { clock, checker, changes, monitor } = setUp();
    const other = checked('a b', { name: 'other', listen: 'tcp://10.9.0.2:80', health: [check(tcp)] });
    const slower = checked('a', {
      name: 'slower',
      listen: 'tcp://10.9.0.3:80',
      health: [check(tcp, { timing: { intervalMs: 3000 } })],
    });
    monitor.update(modelWith(checked('a b'), other, slower));
    expect(monitor.facts().probes).toBe(3);
    clock.advance(900);
    expect(checker.asked.length).toBe(3);
    expect(changes.flatMap(verdicts)).toHaveLength(5);
    expect(
      [...monitor.facts().totals].map(({ service, server, good: count }) => [
        service,
        server.slice(0, 9),
        count,
      ]),
    ).toEqual([
      ['web', '10.2.1.97', 1],
      ['web', '10.2.1.98', 1],
      ['other', '10.2.1.97', 1],
      ['other', '10.2.1.98', 1],
      ['slower', '10.2.1.97', 1],
    ]);
    expect(
      monitor.facts().durations.map(({ service, counts }) => [service, counts.reduce((x, y) => x + y)]),
    ).toEqual([
      ['web', 2],
      ['other', 2],
      ['slower', 1],
    ]);
  });

  it('asks for each service alone where the question tells them apart', () => {
    const { monitor } = setUp();
    const exec = [check({ kind: 'exec', command: ['/bin/true'] })];
    monitor.update(
      modelWith(
        checked('a', { health: exec }),
        checked('a', { name: 'b', listen: 'tcp://10.9.0.2:80', health: exec }),
      ),
    );
    expect(monitor.facts().probes).toBe(2);
  });

  it('pings a server once, whatever the ports of its services', () => {
    const { monitor } = setUp();
    const icmp = [check({ kind: 'icmp' })];
    const other = { name: 'b', listen: 'tcp://10.9.0.2:80', servers: ['10.2.1.97:9000'], health: icmp };
    monitor.update(modelWith(checked('a', { health: icmp }), checked('', other)));
    expect(monitor.facts().probes).toBe(1);
  });

  it('leaves alone what is not to be checked', () => {
    const { monitor } = setUp();
    monitor.update(
      modelWith(
        web('a'),
        checked('', {
          name: 'b',
          listen: 'tcp://10.9.0.2:80',
          servers: [realServer('10.2.1.2:80', { checked: false }), '10.2.1.3:80'],
        }),
      ),
    );
    expect(verdicts(monitor.states())).toEqual(['b 10.2.1.3:80 unknown']);
  });

  it('calls a server up when all of its checks are good, and down when one is bad', () => {
    const { clock, checker, monitor } = setUp();
    checker.answer = ({ port }) => (port === 9000 ? bad('refused', 'dead') : good('alive'));
    monitor.update(modelWith(checked('a', { health: [check(tcp), check(tcp, { port: 9000 })] })));
    clock.advance(1000);
    expect(monitor.states()).toMatchObject([
      { verdict: 'down', checks: [{ verdict: 'up' }, { verdict: 'down' }] },
    ]);
  });

  it('goes on with what a reload leaves the same: verdict, counters and the hour of the next question', () => {
    const { clock, checker, changes, monitor } = setUp();
    monitor.update(modelWith(checked('a b')));
    clock.advance(4500);
    const asked = checker.asked.length;
    const before = monitor.state('web', '10.2.1.97:8080');
    for (let i = 0; i < 100; i += 1) {
      monitor.update(modelWith(checked('a c'), web('b', { name: 'unchecked', listen: 'tcp://10.9.0.2:80' })));
      clock.advance(1);
    }
    expect(monitor.state('web', '10.2.1.97:8080')).toEqual(before);
    expect(checker.asked.slice(asked).map(({ target }) => target.address)).toEqual(['10.2.1.99']);
    clock.advance(2000);
    expect([...monitor.facts().totals][0]?.good).toBeGreaterThan(before?.checks[0]?.consecutive ?? 0);
    expect(changes.flatMap(verdicts)).toEqual([
      'web 10.2.1.97:8080 up',
      'web 10.2.1.98:8080 up',
      'web 10.2.1.99:8080 up',
    ]);
  });

  it('brings no dead server back because its check was edited', () => {
    const { clock, checker, changes, monitor } = setUp();
    checker.let(new Set([a]));
    monitor.update(modelWith(checked('a')));
    clock.advance(100);
    monitor.update(modelWith(checked('a', { health: [check(tcp, { port: 81 })] })));
    expect(monitor.states()).toMatchObject([
      { verdict: 'down', checks: [{ verdict: 'unknown', consecutive: 0 }] },
    ]);
    checker.let(new Set());
    clock.advance(100);
    expect(changes.flatMap(verdicts)).toEqual(['web 10.2.1.97:8080 down', 'web 10.2.1.97:8080 up']);
  });

  it('stops asking what is no longer wanted, also in the middle of a question', () => {
    const { clock, checker, changes, monitor } = setUp();
    checker.takesMs = 500;
    monitor.update(modelWith(checked('a b')));
    clock.advance(100);
    expect(monitor.facts().running).toBe(2);
    monitor.update(modelWith(checked('b')));
    expect(monitor.facts()).toMatchObject({ running: 1, probes: 1 });
    clock.advance(1000);
    expect(changes.flatMap(verdicts)).toEqual(['web 10.2.1.98:8080 up']);
  });

  it('says once, and loudly enough for a log, what changed and why', () => {
    const { clock, checker, notices, monitor } = setUp();
    checker.let(new Set([a]));
    monitor.update(modelWith(checked('a b')));
    clock.advance(10_000);
    expect(notices.map(({ level, server, text }) => `${level} ${server} ${text}`)).toEqual([
      'warn 10.2.1.97:8080 down: dead',
      'info 10.2.1.98:8080 up: alive',
    ]);
  });
});

describe('a question that cannot be asked', () => {
  it('says nothing of the server, is counted, and is told once in a while', () => {
    const { clock, checker, changes, notices, monitor } = setUp();
    monitor.update(modelWith(checked('a b')));
    clock.advance(3000);
    checker.answer = () => skipped('no_resources', 'no file descriptor left');
    clock.advance(60_000);
    expect(changes.flatMap(verdicts)).toHaveLength(2);
    expect(monitor.states()).toMatchObject([{ verdict: 'up' }, { verdict: 'up' }]);
    const skippedOf = [...monitor.facts().totals].map((totals) => totals.skipped);
    expect(skippedOf[0]).toBeGreaterThan(20);
    expect(monitor.facts().failures).toMatchObject({
      no_resources: skippedOf.reduce((sum, count) => sum + count),
      refused: 0,
    });
    const told = notices.filter(({ level }) => level === 'warn');
    expect(told.length).toBeGreaterThan(3);
    expect(told.length).toBeLessThan(8);
    expect(new Set(told.map(({ reason }) => reason))).toEqual(new Set(['no_resources']));
  });

  it('through the VIP is skipped where there is no way, and has a way of its own where there is', () => {
    const through = checked('a', { health: [check(tcp, { through: 'vip' })] });
    const without = setUp();
    without.monitor.update(modelWith(through));
    without.clock.advance(100);
    expect(without.monitor.states()).toMatchObject([
      {
        verdict: 'unknown',
        checks: [{ lastReason: 'no_way', lastMessage: 'there is no way through the VIP just now' }],
      },
    ]);

    let released = 0;
    const end = { address: modelWith(web('a')).services[0]?.servers[0]?.address ?? ('' as never), port: 5 };
    const detour = { destination: end, open: () => -1, release: () => (released += 1) };
    const asked: string[] = [];
    const within = setUp({
      connectThrough: ({ service, server }) => {
        asked.push(`${server} of ${service}`);
        return detour;
      },
    });
    within.monitor.update(modelWith(through));
    within.clock.advance(100);
    expect(within.checker.asked.map(({ target }) => target.detour)).toEqual([detour]);
    expect(asked).toEqual(within.monitor.states().map(({ service, server }) => `${server} of ${service}`));
    expect(released).toBe(1);
  });
});

describe('what agents say', () => {
  it('moves weight and drain, holds until it is said otherwise, and the least of several counts', () => {
    const { clock, checker, changes, monitor } = setUp();
    checker.answer = ({ port }) =>
      port === 1 ? good('', { weightPercent: 50, drain: true }) : good('', { weightPercent: 80 });
    monitor.update(modelWith(checked('a', { health: [check(tcp, { port: 1 }), check(tcp, { port: 2 })] })));
    clock.advance(3000);
    expect(monitor.states()).toMatchObject([{ weightPercent: 50, drainAsked: true, verdict: 'up' }]);
    expect(changes.length).toBe(1);
    checker.answer = () => bad('refused', 'dead');
    clock.advance(600);
    expect(monitor.states()).toMatchObject([{ weightPercent: 50, drainAsked: true, verdict: 'up' }]);
    checker.answer = () => good('', { weightPercent: 100, drain: false });
    clock.advance(3000);
    expect(monitor.states()).toMatchObject([{ weightPercent: 100, drainAsked: false }]);
  });
});

describe('suspicion', () => {
  it('brings the next question forward, asks faster, and passes after fall good answers', () => {
    const { clock, checker, changes, notices, monitor } = setUp();
    monitor.update(
      modelWith(
        checked('a', { health: [check(tcp, { timing: { intervalMs: 60_000, fastIntervalMs: 500 } })] }),
      ),
    );
    clock.advance(61_000);
    const asked = checker.asked.length;
    monitor.suspect('web', '10.2.1.97:8080', '3 SYNs unanswered');
    monitor.suspect('web', '10.2.1.97:8080', '4 SYNs unanswered');
    clock.advance(1);
    expect(changes.at(-1)).toMatchObject([{ suspect: true, verdict: 'up' }]);
    clock.advance(1300);
    expect(checker.asked.length - asked).toBe(3);
    expect(monitor.states()).toMatchObject([{ suspect: false, verdict: 'up' }]);
    clock.advance(20_000);
    expect(checker.asked.length - asked).toBe(3);
    expect(notices.filter(({ text }) => text.startsWith('suspect')).map(({ text }) => text)).toEqual([
      'suspect, checked faster: 3 SYNs unanswered',
    ]);
  });

  it('is nothing to checks that are not passive, to dead servers and to strangers', () => {
    const { clock, checker, monitor } = setUp();
    checker.let(new Set([a]));
    monitor.update(
      modelWith(
        checked('a b', { health: [check(tcp, { passive: false })] }),
        checked('a', { name: 'x', listen: 'tcp://10.9.0.2:80' }),
      ),
    );
    clock.advance(100);
    for (const [service, server] of [
      ['web', '10.2.1.98:8080'],
      ['x', '10.2.1.97:8080'],
      ['nobody', '10.2.1.98:8080'],
    ] as const)
      monitor.suspect(service, server, 'x');
    expect(monitor.states().some(({ suspect }) => suspect)).toBe(false);
  });
});

describe('2,000 servers', () => {
  it('are not asked all at once after a start, nor ever after', () => {
    const clock = new FakeClock();
    let state = 1;
    const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647; // Park and Miller
    const checker = new FakeChecker(clock);
    const monitor = createMonitor({ onChange: () => undefined, checkers: all(checker), clock, random });
    monitor.update(manyServers(2000, { health: [check(tcp, { timing: { jitter: 0.1 } })] }));
    clock.advance(20_000);
    const perTenth = new Array<number>(200).fill(0);
    for (const { at } of checker.asked)
      perTenth[Math.floor(at / 100)] = (perTenth[Math.floor(at / 100)] ?? 0) + 1;
    expect(Math.max(...perTenth.slice(0, 198))).toBeLessThan(160);
    expect(checker.asked.length).toBeGreaterThan(19_000);
    expect(monitor.states().every(({ verdict }) => verdict === 'up')).toBe(true);
  });

  it('come in small handfuls when time has stood still', () => {
    const { clock, checker, monitor } = setUp();
    monitor.update(manyServers(2000));
    clock.advance(10_000);
    const most = new Map<number, number>();
    for (const { at } of checker.asked) most.set(at, (most.get(at) ?? 0) + 1);
    expect(Math.max(...most.values())).toBeLessThanOrEqual(32);
  });

  it('have one timer, and none and nothing else after the end', async () => {
    const { clock, checker, monitor } = setUp();
    checker.answer = () => undefined;
    monitor.update(manyServers(2000));
    expect(clock.timers).toBe(1);
    clock.advance(1050);
    expect(monitor.facts().running).toBeGreaterThan(100);
    await monitor.close();
    await monitor.close();
    expect([clock.timers, checker.running, checker.closed, monitor.facts().running]).toEqual([0, 0, 1, 0]);
    monitor.update(manyServers(3));
    expect(clock.timers).toBe(0);
  });

  it('wait for their turn where too few may be asked at once, and none starves', () => {
    const { clock, checker, monitor } = setUp({ concurrency: 10 });
    checker.takesMs = 100;
    monitor.update(manyServers(200));
    clock.advance(1000);
    expect(monitor.facts()).toMatchObject({ running: 10 });
    expect(monitor.facts().queued).toBeGreaterThan(50);
    clock.advance(19_000);
    expect(checker.mostRunning).toBe(10);
    const counts = new Map<string, number>();
    for (const { target } of checker.asked) counts.set(target.address, (counts.get(target.address) ?? 0) + 1);
    expect(
      Math.max(...counts.values()) - Math.min(...[...counts.values(), counts.size === 200 ? 99 : 0]),
    ).toBeLessThanOrEqual(2);
  });
});
