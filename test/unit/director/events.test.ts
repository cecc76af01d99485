// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { Events, type DirectorEvent } from '../../../src/director/events.js';

const filled = (count: number, capacity: number): Events => {
  const events = new Events(() => 1_000, capacity);
  for (let index = 1; index <= count; index++) events.record({ kind: 'change', text: `the ${index}.` });
  return events;
};

describe('events', () => {
  it('are numbered from 1 and tell when, what and of whom', () => {
    const events = new Events(() => 1_234);
    events.record({
      kind: 'health',
      service: 'web',
      server: '10.2.1.2:80',
      text: 'down',
      detail: { rise: 2 },
    });
    events.record({ kind: 'reload', text: 'reload applied' });
    expect(events.after().events).toEqual([
      {
        id: 1,
        at: 1_234,
        kind: 'health',
        service: 'web',
        server: '10.2.1.2:80',
        text: 'down',
        detail: { rise: 2 },
      },
      { id: 2, at: 1_234, kind: 'reload', service: null, server: null, text: 'reload applied', detail: {} },
    ]);
  });

  it('come from any number on', () => {
    expect(
      filled(5, 10)
        .after(3)
        .events.map(({ id }) => id),
    ).toEqual([4, 5]);
    expect(filled(5, 10).after(5)).toEqual({ events: [], missed: 0 });
    expect(filled(5, 10).after(99)).toEqual({ events: [], missed: 0 });
  });

  it.each([3, 5, 6, 20, 21, 25])(
    'of %i, the last three are kept and the others counted as missed',
    (count) => {
      const { events, missed } = filled(count, 3).after();
      expect(events.map(({ id }) => id)).toEqual([count - 2, count - 1, count]);
      expect(missed).toBe(count - 3);
      expect(
        filled(count, 3)
          .after(count - 1)
          .events.map(({ id }) => id),
      ).toEqual([count]);
    },
  );

  it('reach a subscriber until it leaves, also when it leaves while being told', () => {
    const events = new Events(() => 0);
    const seen: DirectorEvent[] = [];
    const leave = events.subscribe((event) => {
      seen.push(event);
      leave();
    });
    events.record({ kind: 'host', text: 'one' });
    events.record({ kind: 'host', text: 'two' });
    expect(seen.map(({ text }) => text)).toEqual(['one']);
  });
});
