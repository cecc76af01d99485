// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import type { Plan } from '../../../src/model/index.js';
import {
  carryPlan,
  leftOut,
  planProblem,
  schedulerFor,
  schedulerNames,
  servesAnybody,
} from '../../../src/scheduler/index.js';
import { letters } from './support.js';

const least = {
  kind: 'least',
  among: 'all',
  activeCost: 1,
  inactiveCost: 0,
  constant: 0,
  weighted: true,
  order: [0, 1, 2],
} as const;
const bounded = {
  kind: 'bounded',
  on: 'source',
  usePort: false,
  boundPercent: 125,
  counted: 'all',
  slots: [0, -1, 2],
} as const;

describe('a plan of a module', () => {
  it.each(schedulerNames)('may be what %s makes', (name) => {
    expect(planProblem(schedulerFor(name).plan(letters({ A: 3, B: 0, C: 1 })), 3)).toBeUndefined();
    expect(planProblem(schedulerFor(name).plan([]), 0)).toBeUndefined();
  });

  it.each<[unknown, string]>([
    [undefined, 'plan: must be an object, got nothing'],
    [Promise.resolve(least), 'plan: must be made at once, got a promise; plan() cannot be async'],
    [{}, 'kind: must be one of cycle, hash, least, first, local, bounded, got nothing'],
    [{ kind: 'toString' }, 'kind: must be one of cycle, hash, least, first, local, bounded, got "toString"'],
    [{ kind: 'cycle', loop: [0] }, 'lead: must be a list, got nothing'],
    [{ kind: 'cycle', lead: [], loop: [0, 3] }, 'loop[1]: must be 0..2, got 3'],
    [{ kind: 'cycle', lead: [], loop: [-1] }, 'loop[0]: must be 0..2, got -1'],
    [{ kind: 'cycle', lead: [], loop: [0.5] }, 'loop[0]: must be 0..2, got 0.5'],
    [{ kind: 'cycle', lead: [], loop: Array(1_048_577).fill(0) }, 'loop: must have at most 1048576 elements, got 1048577'],
    [{ kind: 'cycle', lead: [], loop: [], weight: 1 }, 'weight: must be left out of a cycle plan; known here: lead, loop'],
    [{ ...least, order: [0, 1, 2, 0] }, 'order: must have at most 3 elements, got 4'],
    [{ ...least, activeCost: 1_048_577 }, 'activeCost: must be a whole number 0..1048576, got 1048577'],
    [{ ...least, activeCost: Number.NaN }, 'activeCost: must be a whole number 0..1048576, got NaN'],
    [{ ...least, factors: [1, 2] }, 'factors: must be one for each of 3 servers, got 2'],
    [{ ...least, factors: [1, 0, 2] }, 'factors[1]: must be 1..65535, got 0'],
    [{ ...bounded, boundPercent: 99 }, 'boundPercent: must be a whole number 100..10000, got 99'],
    [{ ...bounded, slots: [-2] }, 'slots[0]: must be -1..2, got -2'],
    [{ kind: 'hash', function: 'golden', on: 'source', usePort: false, fallback: true, slots: [0, 1, 2] }, 'slots: must be a power of two of them up to 65536, got 3'],
    [{ kind: 'first', overflow: 'no', order: [] }, 'overflow: must be true or false, got "no"'],
  ])('is refused with a sentence: %j', (plan, sentence) => {
    expect(planProblem(plan, 3)).toBe(sentence);
  }); // prettier-ignore

  it('is allowed to leave servers out, which can be told', () => {
    expect(planProblem({ ...least, order: [2] }, 3)).toBeUndefined();
    expect(leftOut({ ...least, order: [2] }, [1, 0, 1])).toEqual([0]);
    expect(leftOut(bounded, [1, 1, 1])).toEqual([1]);
    expect(leftOut({ kind: 'cycle', lead: [0], loop: [1] }, [1, 1, 1])).toEqual([2]);
  });
});

describe('a plan carried over to other servers', () => {
  const before = letters({ A: 1, B: 1, C: 1 });
  const now = letters({ C: 1, D: 1, A: 1 });
  const carried = (plan: Plan): Plan => carryPlan(plan, before, now);

  it('names the same servers at their new places, and no newcomer', () => {
    expect(carried({ kind: 'cycle', lead: [1], loop: [0, 1, 2] })).toEqual({
      kind: 'cycle',
      lead: [],
      loop: [2, 0],
    });
    expect(carried({ ...bounded, slots: [0, 1, 2, -1] })).toEqual({ ...bounded, slots: [2, -1, 0, -1] });
    expect(carried({ ...least, factors: [7, 8, 9] })).toEqual({
      ...least,
      order: [2, 0],
      factors: [9, 1, 7],
    });
  });

  it('is valid for them, whatever the kind', () => {
    for (const name of schedulerNames)
      expect(planProblem(carried(schedulerFor(name).plan(before)), now.length)).toBeUndefined();
  });

  it('may be left with nobody', () => {
    const gone = (plan: Plan): Plan => carryPlan(plan, before, letters({ D: 1 }));
    for (const plan of [
      schedulerFor('rr').plan(before),
      schedulerFor('sh').plan(before),
      { ...bounded },
      { ...least },
    ]) {
      expect(servesAnybody(plan)).toBe(true);
      expect(servesAnybody(gone(plan))).toBe(false);
    }
  });
});
