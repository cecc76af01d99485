// SPDX-License-Identifier: Apache-2.0
/** Many checks share a wakeup, and none of them has to wait for it longer than a pause. */
import { describe, expect, it } from 'vitest';

import { pauseMs, Schedule } from '../../../src/health/schedule.js';
import { FakeClock } from './support/fake-clock.js';

interface Entry {
  at: number;
  place: number;
  readonly name: number;
}

function setUp(hasRoom: () => boolean = () => true) {
  const clock = new FakeClock();
  const begun: { name: number; late: number; at: number }[] = [];
  const schedule = new Schedule<Entry>({
    clock,
    hasRoom,
    begin: ({ name, at }, now) => begun.push({ name, late: now - at, at: now }),
  });
  const add = (name: number, at: number): void => {
    schedule.set({ at: 0, place: -1, name }, at);
    schedule.wait();
  };
  return { clock, schedule, add, begun };
}

const wakeups = (begun: readonly { at: number }[]): number => new Set(begun.map(({ at }) => at)).size;

describe('a schedule', () => {
  it('wakes up once for what falls due within a pause, and begins it in order', () => {
    const { clock, add, begun } = setUp();
    for (let name = 0; name < 1000; name += 1) add(name, 1 + name); // one each millisecond
    clock.advance(2000);
    expect(begun.map(({ name }) => name)).toEqual(Array.from({ length: 1000 }, (_, name) => name));
    expect(wakeups(begun)).toBeLessThanOrEqual(1000 / pauseMs + 1);
    expect(Math.max(...begun.map(({ late }) => late))).toBeLessThanOrEqual(pauseMs);
  });

  it('has nobody wait when nothing was begun just before', () => {
    const { clock, add, begun } = setUp();
    for (let name = 0; name < 10; name += 1) add(name, 100 * (name + 1));
    clock.advance(2000);
    expect(begun.map(({ late }) => late)).toEqual(Array(10).fill(0));
  });

  it('goes on at once with what one turn has left', () => {
    const { clock, add, begun } = setUp();
    for (let name = 0; name < 320; name += 1) add(name, 5);
    clock.advance(5 + pauseMs);
    expect(begun).toHaveLength(320);
    expect(wakeups(begun)).toBe(10);
  });

  it('waits for somebody to make room', () => {
    let room = 3;
    const { clock, schedule, add, begun } = setUp(() => begun.length < room);
    for (let name = 0; name < 5; name += 1) add(name, 5);
    clock.advance(1000);
    expect([begun.length, clock.timers]).toEqual([3, 0]);
    room = 5;
    schedule.wait();
    clock.advance(1);
    expect(begun.map(({ name }) => name)).toHaveLength(5);
  });

  it('has one timer, and none when it is closed', () => {
    const { clock, schedule, add } = setUp();
    for (let name = 0; name < 100; name += 1) add(name, 100 - name);
    expect(clock.timers).toBe(1);
    schedule.close();
    expect(clock.timers).toBe(0);
    add(101, 1);
    expect(clock.timers).toBe(0);
  });
});
