// SPDX-License-Identifier: Apache-2.0
/**
 * module: a check in JavaScript, an ES module of the user's with `export default { check(target, signal) }`, in a thread of
 * its own. What it throws, returns or never answers is a bad answer and nothing worse. A changed file is taken up at the
 * next check; a version that cannot be loaded is a bad answer.
 */
import { CheckModules } from '../modules/check-modules.js';
import type { CheckLimits, Outcome } from '../modules/check-thread.js';
import { bad, good, skipped, type Answer, type Checker, type QuestionOf } from './checker.js';

/** What a module's `check` gets. */
export interface CheckTarget {
  readonly address: string;
  readonly port: number;
  /** Address to check from, where the configuration names one. */
  readonly source: string | null;
  readonly service: string;
  readonly server: string;
  readonly timeoutMs: number;
  /** `options` of the configuration. */
  readonly options: unknown;
}

/** What a check of one's own answers. */
export interface CheckReport {
  readonly good: boolean;
  readonly message?: string;
  /** Share of the configured weight. */
  readonly weightPercent?: number;
  /** true: no new connections. */
  readonly drain?: boolean;
}

/** The default export of a module. `signal` aborts when the answer is no longer wanted. */
export interface CustomCheck {
  check(target: CheckTarget, signal: AbortSignal): CheckReport | boolean | Promise<CheckReport | boolean>;
}

/** `limits` of its threads, where they are not the usual ones. `tell` hears of threads that ended, in a sentence. */
export function moduleChecker(
  tell: (sentence: string) => void = () => undefined,
  limits?: CheckLimits,
): Checker<QuestionOf<'module'>> {
  const modules = new CheckModules(tell, limits);
  /** How many servers are asked by each file. */
  const users = new Map<string, number>();
  return {
    ask({ file, options }, { address, port, source, service, server, timeoutMs }, finish) {
      const target: CheckTarget = { address, port, source, service, server, timeoutMs, options };
      const call = modules.call(file, target, (outcome) => finish(answerOf(outcome)));
      return {
        progress: () => 'check() has not returned',
        stop: () => call.stop(),
        // A server that nobody has come to ask is not to blame.
        silence: () =>
          call.hasBegun
            ? undefined
            : skipped(
                'held_up',
                `${file}: not begun within ${timeoutMs} ms: it is being loaded, or is held up by other checks`,
              ),
      };
    },
    admit({ file }) {
      users.set(file, (users.get(file) ?? 0) + 1);
    },
    dismiss({ file }) {
      const left = (users.get(file) ?? 1) - 1;
      if (left > 0) users.set(file, left);
      else {
        users.delete(file);
        modules.forget(file);
      }
    },
    close: () => modules.close(),
  };
}

function answerOf(outcome: Outcome): Answer {
  if ('neverBegun' in outcome) return skipped('held_up', `the module's thread ${outcome.neverBegun}`);
  return 'problem' in outcome ? bad('module', outcome.problem) : verdictOf(outcome.report);
}

function verdictOf(report: unknown): Answer {
  if (typeof report === 'boolean') return report ? good('good') : bad('declared', 'bad');
  if (!isRecord(report) || typeof report['good'] !== 'boolean') {
    return bad('module', 'check() must return true, false or { good, message?, weightPercent?, drain? }');
  }
  const { good: isGood, message, weightPercent: percent, drain } = report;
  if (percent !== undefined && !(typeof percent === 'number' && percent >= 0 && Number.isFinite(percent))) {
    const got = typeof percent === 'number' ? percent : typeof percent;
    return bad('module', `weightPercent must be a number of at least 0, got ${got}`);
  }
  const said = typeof message === 'string' ? message : isGood ? 'good' : 'bad';
  if (!isGood) return bad('declared', said);
  return good(said, {
    ...(percent === undefined ? {} : { weightPercent: percent }),
    ...(typeof drain === 'boolean' ? { drain } : {}),
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
