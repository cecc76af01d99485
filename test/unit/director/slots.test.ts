// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { assignSlots, noSlots, type SlotRules, type Slots } from '../../../src/director/slots.js';

const rules = (limit: number, busy: readonly number[] = []): SlotRules => ({
  what: 'server',
  limit,
  idle: (slot) => !busy.includes(slot),
});

const assign = (before: Slots, keys: string, limit: number, busy: readonly number[] = []): Slots =>
  assignSlots(before, keys.split('').filter(Boolean), rules(limit, busy));

describe('slots', () => {
  it('keep their owner for as long as it is configured, whatever the order', () => {
    const first = assign(noSlots, 'abc', 8);
    const second = assign(first, 'cdb', 8);
    expect([...first.live]).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ]);
    expect([...second.live]).toEqual([
      ['c', 2],
      ['d', 3],
      ['b', 1],
    ]);
  });

  it('are told in the order of what was wanted', () => {
    const second = assign(assign(noSlots, 'abc', 8), 'cdb', 8);
    expect(second.assigned).toEqual([2, 3, 1]);
  });

  it('give a returning owner its old slot', () => {
    const away = assign(assign(noSlots, 'ab', 8), 'b', 8);
    expect(assign(away, 'ab', 8).live.get('a')).toBe(0);
  });

  it('are taken fresh before any is used again', () => {
    const away = assign(assign(noSlots, 'ab', 8), 'b', 8);
    expect(assign(away, 'bc', 8).live.get('c')).toBe(2);
  });

  it('are used again, longest retired first, once nothing hangs on them', () => {
    let slots = assign(noSlots, 'abc', 3);
    slots = assign(slots, 'bc', 3);
    slots = assign(slots, 'c', 3);
    expect(assign(slots, 'cd', 3).live.get('d')).toBe(0);
    expect(assign(slots, 'cd', 3, [0]).live.get('d')).toBe(1);
  });

  it('given up by a change are handed out by the same change when idle, after those given up before', () => {
    expect(assign(assign(noSlots, 'ab', 2), 'bc', 2).live.get('c')).toBe(0);
    const away = assign(assign(noSlots, 'abc', 3), 'bc', 3);
    expect([...assign(away, 'cde', 3).live]).toEqual([
      ['c', 2],
      ['d', 0],
      ['e', 1],
    ]);
  });

  it('that run out because removed servers still carry connections say so', () => {
    expect(() => assign(assign(noSlots, 'ab', 2), 'bc', 2, [0])).toThrow(
      'servers: must fit into the 2 slots this daemon started with, got 2 servers and removed ones that still carry ' +
        'connections; wait for those to end and reload, or restart the daemon',
    );
  });

  it('that run out because the configuration has outgrown them say that', () => {
    expect(() => assign(assign(noSlots, 'ab', 2), 'abc', 2)).toThrow(
      'servers: must fit into the 2 slots this daemon started with, got 3 servers; restart the daemon, which then ' +
        'takes as many slots as it needs',
    );
  });

  it('of a wanted key are never handed to another wanted key', () => {
    const away = assign(assign(noSlots, 'ab', 2), '', 2);
    expect([...assign(away, 'ba', 2).live]).toEqual([
      ['b', 1],
      ['a', 0],
    ]);
    expect(() => assign(away, 'cab', 2)).toThrow(/must fit into the 2 slots/);
  });

  it('are unchanged by a change that fails', () => {
    const before = assign(noSlots, 'ab', 2);
    const copy = structuredClone(before);
    expect(() => assign(before, 'abc', 2)).toThrow();
    expect(before).toEqual(copy);
  });

  it('are never shared, never beyond the limit, and never moved, in any history', () => {
    const history = fc.array(
      fc.record({
        keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), { maxLength: 5 }),
        busy: fc.array(fc.integer({ min: 0, max: 5 })),
      }),
    );
    fc.assert(
      fc.property(history, (steps) => {
        let slots = noSlots;
        for (const { keys, busy } of steps) {
          const before = slots;
          try {
            slots = assignSlots(before, keys, rules(6, busy));
          } catch {
            continue; // full: nothing changed
          }
          const all = [...slots.live.values(), ...slots.retired.values()];
          expect(new Set(all).size).toBe(all.length);
          for (const [key, slot] of slots.live) {
            expect(slot).toBeLessThan(6);
            if (before.live.has(key)) expect(slot).toBe(before.live.get(key));
            const taken = [...before.retired, ...before.live].find(
              ([owner, old]) => old === slot && owner !== key,
            );
            if (taken !== undefined) expect(busy).not.toContain(slot);
          }
        }
      }),
    );
  });
});
