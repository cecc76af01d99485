// SPDX-License-Identifier: Apache-2.0
/**
 * One question put to one server, from start to a result: the deadline, which holds from the first packet to the
 * last however busily the peer talks, the measured time, and a message fit to be shown. Checkers need none of that.
 */
import type { Question } from '../model/index.js';
import { bad, type Answer, type Asking, type Checker, type Target } from './checker.js';
import type { Clock } from './clock.js';
import { failure, printable } from './message.js';

export interface CheckResult extends Answer {
  readonly durationMs: number;
}

export interface Attempt {
  /** Gives up without a result. */
  stop(): void;
}

export function attempt<Q extends Question>(
  checker: Checker<Q>,
  question: Q,
  target: Target,
  clock: Clock,
  done: (result: CheckResult) => void,
): Attempt {
  const startedAt = clock.now();
  let asking: Asking | undefined;
  let over = false;

  const end = (): void => {
    over = true;
    cancelDeadline();
    target.detour?.release();
  };
  const finish = (answer: Answer): void => {
    if (over) return;
    end();
    done({ ...answer, message: printable(answer.message), durationMs: clock.now() - startedAt });
  };
  const cancelDeadline = clock.after(target.timeoutMs, () => {
    const late =
      asking?.silence?.() ??
      bad(
        asking?.isConnecting?.() === true ? 'not_connected' : 'timeout',
        `no answer within ${target.timeoutMs} ms: ${asking?.progress() ?? ''}`,
      );
    asking?.stop();
    finish(late);
  });

  try {
    asking = checker.ask(question, target, finish);
  } catch (error) {
    clock.after(0, () => finish(failure(error))); // never before whoever asked has got its Attempt
  }
  return {
    stop: () => {
      if (over) return;
      end();
      asking?.stop();
    },
  };
}
