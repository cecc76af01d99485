// SPDX-License-Identifier: Apache-2.0
/** Asks one question for real, as the monitor does, and waits for the result. */
import { attempt, type CheckResult } from '../../../../src/health/attempt.js';
import type { Checker, Target } from '../../../../src/health/checker.js';
import { realClock } from '../../../../src/health/clock.js';
import type { Question } from '../../../../src/model/index.js';

export const ask = <Q extends Question>(
  checker: Checker<Q>,
  question: Q,
  target: Target,
): Promise<CheckResult> =>
  new Promise((resolve) => {
    attempt(checker, question, target, realClock, resolve);
  });
