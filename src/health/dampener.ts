// SPDX-License-Identifier: Apache-2.0
/**
 * From answers to a verdict, so that one lost packet is no outage: `fall` bad answers in a row take a server down, `rise`
 * good ones bring it up. The very first answer decides alone, because until it came there was no verdict to defend.
 */
import type { Verdict } from './state.js';

export interface Damped {
  readonly verdict: Verdict;
  /** Answers like the last one in a row: positive of good ones, negative of bad ones; 0: none yet. */
  readonly consecutive: number;
}

export interface Thresholds {
  readonly rise: number;
  readonly fall: number;
}

export const undecided: Damped = { verdict: 'unknown', consecutive: 0 };

export function damp({ verdict, consecutive }: Damped, isGood: boolean, { rise, fall }: Thresholds): Damped {
  const streak = isGood ? Math.max(0, consecutive) + 1 : Math.min(0, consecutive) - 1;
  if (verdict === 'unknown') return { verdict: isGood ? 'up' : 'down', consecutive: streak };
  if (isGood && streak >= rise) return { verdict: 'up', consecutive: streak };
  if (!isGood && -streak >= fall) return { verdict: 'down', consecutive: streak };
  return { verdict, consecutive: streak };
}

/** Whether the last answers speak against the verdict: a change may be under way. */
export const isInDoubt = ({ verdict, consecutive }: Damped): boolean =>
  (verdict === 'up' && consecutive < 0) || (verdict === 'down' && consecutive > 0);
