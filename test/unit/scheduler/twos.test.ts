// SPDX-License-Identifier: Apache-2.0
/** twos: its draws are arguments, so it is as exact as the others. */
import { describe, expect, test } from 'vitest';
import { pick, type LiveServer } from '../../../src/scheduler/simulate.js';
import { twos } from '../../../src/scheduler/twos.js';
import { anyClient, letters } from './support.js';

const servers = letters({ A: 3, B: 2, C: 1 });
const plan = twos.plan(servers);

const live = (actives: readonly number[], overloaded = ''): LiveServer[] =>
  servers.map(({ name, weight }, index) => ({
    weight,
    active: actives[index] ?? 0,
    inactive: 0,
    overloaded: overloaded.includes(name),
  }));

/** The name picked when the draws are these, and the bounds that were asked for. */
function drawn(state: readonly LiveServer[], draws: readonly [number, number]) {
  const bounds: number[] = [];
  const draw = (bound: number): number => draws[bounds.push(bound) - 1] ?? 0;
  const { server } = pick(plan, state, anyClient, 0, { draw });
  return { name: server === null ? '-' : servers[server]?.name, bounds };
}

describe('twos', () => {
  test('draws twice from 0 to the sum of weights, and the list is C B A', () => {
    const names = [0, 1, 2, 3, 4, 5, 6].map((draw) => drawn(live([0, 0, 0]), [draw, draw]));
    expect(names.map(({ name }) => name).join('')).toBe('CCBBAAA'); // C has weight 1 and two chances
    expect(names.map(({ bounds }) => bounds)).toEqual(Array(7).fill([7, 7]));
  });

  test('takes the lighter of the two by weight, and the first drawn at a tie', () => {
    expect(drawn(live([3, 0, 1]), [0, 6]).name).toBe('C'); // 257 * 1/1 against 257 * 3/3
    expect(drawn(live([3, 0, 1]), [6, 0]).name).toBe('A');
    expect(drawn(live([2, 0, 1]), [0, 6]).name).toBe('A');
    expect(drawn(live([4, 0, 1]), [0, 6]).name).toBe('C');
  });

  test('never looks at a third one', () => {
    expect(drawn(live([9, 0, 9]), [0, 6]).name).toBe('A');
  });

  test('knows only usable servers, and with none does not draw', () => {
    expect(drawn(live([0, 0, 0], 'C'), [0, 5])).toEqual({ name: 'B', bounds: [6, 6] });
    expect(drawn(live([0, 0, 0], 'ABC'), [0, 0])).toEqual({ name: '-', bounds: [] });
  });

  test('with every draw equally likely, idle servers are picked about by weight', () => {
    const counts: Record<string, number> = {};
    for (let one = 0; one < 7; one += 1) {
      for (let two = 0; two < 7; two += 1) {
        const { name = '-' } = drawn(live([0, 0, 0]), [one, two]);
        counts[name] = (counts[name] ?? 0) + 1;
      }
    }
    expect(counts).toEqual({ A: 21, B: 14, C: 14 });
  });
});
