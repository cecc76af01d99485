// SPDX-License-Identifier: Apache-2.0
/** Custom schedulers under a director whose dataplane is a fake: what they are told, and what becomes of what they say. */
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { latencyBounds, noSignals } from '../../../src/dataplane/signals.js';
import { latencyOf } from '../../../src/director/custom-plan.js';
import { Director } from '../../../src/director/director.js';
import { ManualClock } from '../../../src/director/manual-clock.js';
import type { CustomScheduler, Plan, PlanContext, ServerLoad } from '../../../src/model/index.js';
import { modelWith, web } from './models.js';

interface Asked {
  readonly loads: readonly ServerLoad[];
  readonly context: PlanContext;
}

/** A scheduler that does as it is told, and tells what it was asked. */
class Told implements CustomScheduler {
  readonly name = 'told';
  readonly replanEvery = 1000;
  readonly asked: Asked[] = [];
  next: () => Plan = () => ({ kind: 'cycle', lead: [], loop: [0, 1] });
  plan: CustomScheduler['plan'] = (_servers, loads, context) => {
    this.asked.push({ loads, context: { ...context, memory: new Map(context.memory) } });
    context.memory.set('plans', this.asked.length);
    return this.next();
  };
}

async function started(scheduler: CustomScheduler, servers = 'AB') {
  const clock = new ManualClock(5000);
  const dataplane = new FakeDataplane();
  const model = (letters: string, more: Partial<Parameters<typeof web>[1]> = {}) =>
    modelWith(web(Array.from(letters).join(' '), { scheduler, ...more }));
  const director = await Director.start({ dataplane, clock }, model(servers));
  const plans = (): (Plan | undefined)[] => dataplane.published.map(({ services }) => services[0]?.plan);
  return { clock, dataplane, director, model, plans };
}

describe('a custom scheduler', () => {
  it('that never picks a server which is not drained is reported, unless it does so while time passes', async () => {
    const told = new Told();
    told.next = () => ({ kind: 'cycle', lead: [], loop: [0] });
    const { clock, director, model } = await started(told);
    const texts = (): string[] => director.events.after().events.map(({ text }) => text);
    expect(texts()).toEqual(['the scheduler of web never picks 10.2.1.66:8080, though not drained']);
    clock.turnTo(7000);
    told.next = () => ({ kind: 'cycle', lead: [], loop: [1] });
    clock.turnTo(9000);
    expect(texts()).toHaveLength(1);
    told.next = () => ({ kind: 'cycle', lead: [], loop: [0, 1, 2] });
    await director.apply(model('ABC'));
    expect(texts().slice(1)).toEqual(['the scheduler of web picks all servers again']);
    await director.close();
  });

  it('plans when the service is configured, and again every time its pause is over', async () => {
    const told = new Told();
    const { clock, director, plans } = await started(told);
    expect(told.asked).toHaveLength(1);
    told.next = () => ({ kind: 'cycle', lead: [], loop: [1] });
    clock.turnTo(5999);
    expect(told.asked).toHaveLength(1);
    clock.turnTo(8000);
    expect(told.asked.map(({ context }) => context.nowMs)).toEqual([5000, 6000, 7000, 8000]);
    expect(told.asked.map(({ context }) => context.memory.get('plans'))).toEqual([undefined, 1, 2, 3]);
    expect(plans()).toEqual([
      { kind: 'cycle', lead: [], loop: [0, 1] },
      { kind: 'cycle', lead: [], loop: [1] },
    ]);
    await director.close();
    clock.turnTo(60_000);
    expect(told.asked).toHaveLength(4);
  });

  it('is told what its servers did since it planned last', async () => {
    const told = new Told();
    const { clock, dataplane, director } = await started(told);
    const histogram = { counts: latencyBounds.map((_, n) => Number(n === 5) * 3).concat(1), count: 4, sum: 0.4 };
    dataplane.setServer(1, { active: 7, inactive: 2, connections: 10, inBytes: 4000, signals: { ...noSignals, handshake: histogram, synUnanswered: 1, handshakesRefused: 2 } });
    clock.turnTo(7000);
    const [, second, third] = told.asked.map(({ loads }) => loads[1]);
    expect(second).toMatchObject({
      active: 7,
      inactive: 2,
      newConnections: 10,
      connectionsPerSecond: 10,
      inBytesPerSecond: 4000,
      handshake: { count: 4, meanMs: 100, medianMs: 5, p99Ms: Infinity },
      firstByte: { count: 0, meanMs: null },
      handshakesFailed: 3,
    });
    expect(third).toMatchObject({ active: 7, newConnections: 0, handshake: { count: 0 }, handshakesFailed: 0 });
    await director.close();
  }); // prettier-ignore

  it('that fails leaves its last good plan, is counted, and told once for each reason', async () => {
    const told = new Told();
    const { clock, director, plans } = await started(told);
    told.next = () => {
      throw new Error('no idea');
    };
    clock.turnTo(7000);
    told.next = () => ({ kind: 'cycle', lead: [], loop: [2] });
    clock.turnTo(8000);
    told.next = () => ({ kind: 'cycle', lead: [], loop: [1] });
    clock.turnTo(9000);
    expect(director.services()[0]).toMatchObject({
      scheduler: 'told',
      planFailures: { threw: 2, invalid: 1, timeout: 0, ended: 0 },
    });
    const texts = director.events
      .after()
      .events.flatMap(({ kind, text }) => (kind === 'scheduler' ? [text] : []));
    expect(texts).toEqual([
      'the scheduler of web made no plan, so the last one stays: no idea',
      'the scheduler of web made no plan, so the last one stays: loop[0]: must be 0..1, got 2',
      'the scheduler of web plans again',
    ]);
    expect(plans().at(-1)).toMatchObject({ loop: [1] });
    expect(plans()).toHaveLength(2);
    await director.close();
  });

  it('that fails while its servers change serves on with those that are left', async () => {
    const told = new Told();
    const { director, model, plans } = await started(told, 'ABC');
    told.next = () => {
      throw new Error('no idea');
    };
    await director.apply(model('CB'));
    expect(plans().at(-1)).toEqual({ kind: 'cycle', lead: [], loop: [1] }); // A is gone, C had no turn
    await director.apply(model('C'));
    expect(plans().at(-1)).toMatchObject({ kind: 'least', order: [0] }); // nobody was left: wlc
    await director.close();
  });

  it('that forgets what it may change keeps what it remembered before it failed', async () => {
    const told = new Told();
    const { clock, director } = await started(told);
    told.next = () => {
      throw new Error('after writing into memory');
    };
    clock.turnTo(7000);
    expect(told.asked.map(({ context }) => context.memory.get('plans'))).toEqual([undefined, 1, 1]);
    await director.close();
  });

  it('plans anew with other options, and remembers; another scheduler begins anew', async () => {
    const told = new Told();
    const { director, model } = await started(told);
    const changes = await director.apply(model('AB', { schedulerOptions: { turns: 2 } }));
    expect(changes).toMatchObject([{ kind: 'changed', property: 'scheduler' }]);
    expect(told.asked.at(-1)?.context).toMatchObject({ options: { turns: 2 }, past: { cursor: 0 } });
    expect(told.asked.at(-1)?.context.memory.size).toBe(1);
    await director.apply(model('AB', { schedulerOptions: { turns: 2 } }));
    expect(told.asked).toHaveLength(2);
    const other = new Told();
    await director.apply(model('AB', { scheduler: other }));
    expect(other.asked[0]?.context).not.toHaveProperty('past');
    expect(other.asked[0]?.context.memory.size).toBe(0);
    await director.apply(model('AB', { scheduler: 'rr' }));
    expect(director.services()[0]).toMatchObject({ scheduler: 'rr', planFailures: null });
    await director.close();
  });
});

describe('a latency', () => {
  it('is the mean and the ends of the buckets that the quantiles fall in', () => {
    const counts = [...latencyBounds.map(() => 0), 0];
    counts[0] = 98;
    counts[3] = 2;
    expect(latencyOf({ counts, count: 100, sum: 0.02 })).toEqual({
      count: 100,
      meanMs: 0.2,
      medianMs: 0.1,
      p99Ms: 1,
    });
    expect(latencyOf({ counts: [], count: 0, sum: 0 })).toEqual({
      count: 0,
      meanMs: null,
      medianMs: null,
      p99Ms: null,
    });
  });
});
