// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { damp, isInDoubt, undecided, type Thresholds } from '../../../src/health/dampener.js';
import type { Verdict } from '../../../src/health/state.js';

function verdicts(answers: readonly boolean[], thresholds: Thresholds): Verdict[] {
  let state = undecided;
  return answers.map((isGood) => (state = damp(state, isGood, thresholds)).verdict);
}

/** "+" good, "-" bad; "U" up, "D" down. */
const run = (answers: string, rise: number, fall: number): string =>
  verdicts(
    Array.from(answers).map((answer) => answer === '+'),
    { rise, fall },
  )
    .map((verdict) => (verdict === 'up' ? 'U' : 'D'))
    .join('');

describe('a verdict', () => {
  it.each([
    ['comes with the first answer when it is good', 2, 3, '+', 'U'],
    ['comes with the first answer when it is bad', 2, 3, '-', 'D'],
    ['falls with the third bad answer in a row', 2, 3, '+---', 'UUUD'],
    ['stands while bad answers are interrupted', 2, 3, '+--+--+--', 'UUUUUUUUU'],
    ['rises with the second good answer in a row', 2, 3, '-++', 'DDU'],
    ['stays down while good answers are interrupted', 2, 3, '-+-+-+-', 'DDDDDDD'],
    ['of rise 1 and fall 1 is the last answer', 1, 1, '+-+--+', 'UDUDDU'],
    ['needs all of fall again after it rose', 2, 3, '---++--+', 'DDDDUUUU'],
    ['is not hurried by what came before it fell', 3, 1, '+++-++', 'UUUDDD'],
  ])('%s', (_, rise, fall, answers, expected) => expect(run(answers, rise, fall)).toBe(expected));

  it('is what one gets by looking at all answers again each time', () => {
    const slow = (answers: readonly boolean[], { rise, fall }: Thresholds): Verdict[] =>
      answers.map((_, end) => {
        let verdict: Verdict = answers[0] === true ? 'up' : 'down';
        for (let at = 1; at <= end; at += 1) {
          const lastAre = (isGood: boolean, count: number): boolean =>
            at + 1 >= count && answers.slice(at + 1 - count, at + 1).every((answer) => answer === isGood);
          if (lastAre(true, rise)) verdict = 'up';
          else if (lastAre(false, fall)) verdict = 'down';
        }
        return verdict;
      });
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 60 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        (answers, rise, fall) => {
          expect(verdicts(answers, { rise, fall })).toEqual(slow(answers, { rise, fall }));
        },
      ),
    );
  });

  it('is in doubt while answers speak against it', () => {
    const thresholds = { rise: 2, fall: 3 };
    const up = damp(undecided, true, thresholds);
    const shaken = damp(up, false, thresholds);
    expect([undecided, up, shaken, damp(shaken, true, thresholds)].map(isInDoubt)).toEqual([
      false,
      false,
      true,
      false,
    ]);
    const down = damp(undecided, false, thresholds);
    expect([down, damp(down, true, thresholds)].map(isInDoubt)).toEqual([false, true]);
  });
});
