// SPDX-License-Identifier: Apache-2.0
/**
 * module: a check in JavaScript, an ES module of the user's with `export default { check(target, signal) }`. It runs inside
 * the daemon: what it throws, returns or never answers is a bad answer and nothing worse, but a loop without end in it
 * stops everything. A changed file is taken up at the next check; a version that cannot be loaded is a bad answer.
 */
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

import { readTypeScript } from '../modules/typescript.js';
import { bad, good, type Answer, type Checker, type QuestionOf } from './checker.js';
import { codeOf } from './message.js';

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

interface Loaded {
  readonly mtimeMs: number;
  readonly check: Promise<CustomCheck>;
}

/** `load` imports a file; the second argument tells versions of it apart. */
export function moduleChecker(load: typeof importVersion = importVersion): Checker<QuestionOf<'module'>> {
  const modules = new Map<string, Loaded>();

  const current = async (file: string): Promise<CustomCheck> => {
    const { mtimeMs } = await stat(file);
    let known = modules.get(file);
    if (known?.mtimeMs !== mtimeMs) {
      known = { mtimeMs, check: load(file, String(mtimeMs)).then((loaded) => customCheckOf(loaded, file)) };
      modules.set(file, known);
    }
    return known.check;
  };

  return {
    ask({ file, options }, { address, port, source, service, server, timeoutMs }, finish) {
      const abort = new AbortController();
      let stage = 'the module is being loaded';
      const run = async (): Promise<Answer> => {
        const custom = await current(file);
        stage = 'check() has not returned';
        const target: CheckTarget = { address, port, source, service, server, timeoutMs, options };
        return answerOf(await custom.check(target, abort.signal));
      };
      run().then(
        (answer) => finish(answer),
        (error: unknown) => finish(bad('module', complaint(error, file))),
      );
      return { progress: () => stage, stop: () => abort.abort() };
    },
  };
}

/** Node keeps every version it has imported; a file that changes every minute for months is a leak. */
function importVersion(file: string, version: string): Promise<unknown> {
  readTypeScript(file);
  return import(`${pathToFileURL(file).href}?version=${version}`) as Promise<unknown>;
}

function customCheckOf(loaded: unknown, file: string): CustomCheck {
  const custom = isRecord(loaded) ? loaded['default'] : undefined;
  if (isRecord(custom) && typeof custom['check'] === 'function') return custom as unknown as CustomCheck;
  throw new Error(`${file}: must have a default export with a function check(target, signal)`);
}

function answerOf(report: unknown): Answer {
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

function complaint(error: unknown, file: string): string {
  if (codeOf(error) === 'ENOENT') return `${file}: no such file`;
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`;
  } catch {
    return 'threw something that cannot be shown';
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
