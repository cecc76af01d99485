// SPDX-License-Identifier: Apache-2.0
/** Modules as users write them, good and bad: whatever they do, it is an answer, and the next one is as good as the first. */
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import type { CheckResult } from '../../../src/health/attempt.js';
import type { Checker, QuestionOf } from '../../../src/health/checker.js';
import { moduleChecker } from '../../../src/health/module.js';
import { ask } from './support/ask.js';
import { target } from './support/checks.js';

const folder = mkdtempSync(join(tmpdir(), 'vsnat-module-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;

function write(source: string): string {
  const file = join(folder, `check${(files += 1)}.mjs`);
  writeFileSync(file, source);
  return file;
}

const limits = { importMs: 10_000, silentMs: 400, restartMs: 20 };
let checker: Checker<QuestionOf<'module'>>;
const told: string[] = [];
beforeEach(() => {
  told.length = 0;
  checker = moduleChecker((sentence) => told.push(sentence), limits);
});
afterEach(() => checker.close?.());

const question = (file: string, options: unknown = { depth: 3 }): QuestionOf<'module'> => ({
  kind: 'module',
  file,
  options,
});
/** Long enough for a thread to begin on a loaded machine; tests of time have their own. */
const run = (file: string, options?: unknown, timeoutMs = 10_000): Promise<CheckResult> =>
  ask(checker, question(file, options), target(8080, { timeoutMs }));
const runInTurn = async (file: string, times: number): Promise<string[]> => {
  const messages: string[] = [];
  for (let n = 0; n < times; n += 1) messages.push((await run(file)).message);
  return messages;
};

/** As Linux counts those of this process. */
const threads = (): number =>
  Number(/^Threads:\s+(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

beforeAll(() => stat(folder)); // whatever threads Node begins for files are there from then on

const nonsense = 'check() must return true, false or { good, message?, weightPercent?, drain? }';

describe("a user's module", () => {
  it.each([
    ['true', 'true', { result: 'good', message: 'good' }],
    ['false', 'false', { result: 'bad', message: 'bad' }],
    [
      'a promise',
      'Promise.resolve({ good: true, message: "3 ms", weightPercent: 40, drain: true })',
      { result: 'good', message: '3 ms', weightPercent: 40, drain: true },
    ],
    ['a reason', '({ good: false, message: "too slow\\n" })', { result: 'bad', message: 'too slow\\x0a' }],
    ['something else', '42', { result: 'bad', message: nonsense }],
    [
      'a weight of letters',
      '({ good: true, weightPercent: "x" })',
      { result: 'bad', message: 'weightPercent must be a number of at least 0, got string' },
    ],
    [
      'a negative weight',
      '({ good: true, weightPercent: -1 })',
      { result: 'bad', message: 'weightPercent must be a number of at least 0, got -1' },
    ],
    [
      'a weight that is no number',
      '({ good: true, weightPercent: NaN })',
      { result: 'bad', message: 'weightPercent must be a number of at least 0, got NaN' },
    ],
    ['nothing', 'undefined', { result: 'bad', message: nonsense }],
    ['a symbol', 'Symbol("x")', { result: 'bad', message: nonsense }],
    ['a word for good', '({ good: "yes" })', { result: 'bad', message: nonsense }],
    [
      'a promise that throws when it is waited for',
      '({ then() { throw new Error("then") } })',
      { result: 'bad', message: 'Error: then' },
    ],
    [
      'an error with a name that is none',
      'Promise.reject(Object.assign(new Error("x"), { name: Symbol("x") }))',
      { result: 'bad', message: 'threw something that cannot be told' },
    ],
    [
      'an error, late',
      'new Promise((_, no) => setTimeout(no, 5, new Error("late")))',
      { result: 'bad', message: 'Error: late' },
    ],
    [
      'a book',
      '({ good: false, message: "x".repeat(1e7) })',
      { result: 'bad', message: `${'x'.repeat(199)}…` },
    ],
    ['an error', '(() => { throw new RangeError("no") })()', { result: 'bad', message: 'RangeError: no' }],
    ['a rejection', 'Promise.reject("no")', { result: 'bad', message: 'threw no' }],
    [
      'an error that cannot be told',
      'Promise.reject({ toString() { throw 1 } })',
      { result: 'bad', message: 'threw something that cannot be told' },
    ],
    ['a trap', '({ get good() { throw new Error("trap") } })', { result: 'bad', message: 'Error: trap' }],
  ])('that returns %s is understood', async (_, expression, expected) => {
    expect(await run(write(`export default { check: () => ${expression} }`))).toMatchObject(expected);
  });

  it('is told whom to check and what the configuration gave it', async () => {
    const file = write(
      'export default { check: (target) => ({ good: true, message: JSON.stringify(target) }) }',
    );
    expect(JSON.parse((await run(file)).message)).toEqual({
      address: '127.0.0.1',
      port: 8080,
      source: null,
      service: 'web',
      server: '127.0.0.1:8080',
      timeoutMs: 10_000,
      options: { depth: 3 },
    });
  });

  it('that never answers is given up, and told so by its signal', async () => {
    const seen = join(folder, 'seen');
    const file = write(`import { writeFileSync } from 'node:fs';
      export default { check: ({ options }, signal) => {
        signal.addEventListener('abort', () => writeFileSync(${JSON.stringify(seen)}, 'aborted'));
        return options === 'at once' || new Promise(() => undefined);
      } };`);
    await run(file, 'at once');
    expect(await run(file, 'never', 100)).toMatchObject({
      result: 'bad',
      reason: 'timeout',
      message: 'no answer within 100 ms: check() has not returned',
    });
    await vi.waitFor(() => expect(existsSync(seen)).toBe(true), { timeout: 10_000 });
    expect(await run(file, 'at once')).toMatchObject({ result: 'good' });
    expect(told).toEqual([]);
  });

  it('whose options cannot be copied into its thread is a bad answer', async () => {
    const file = write('export default { check: () => true }');
    expect(await run(file, { load: () => 1 })).toMatchObject({ result: 'bad', reason: 'module', message: expect.stringMatching(/could not be cloned/) as unknown });
    expect(await run(file)).toMatchObject({ result: 'good' });
  }); // prettier-ignore

  it.each([
    ['has no check', 'export default {}', /must have a default export with a function check/],
    ['is no JavaScript', 'export default {', /: cannot be imported: \w*Error: /],
    ['throws when it is loaded', 'throw new Error("at load")', /: cannot be imported: Error: at load$/],
    [
      'ends the process when it is loaded',
      'process.exit(3)',
      /: ended the thread it was imported in, with code 3$/,
    ],
  ])('that %s is a bad answer', async (_, source, message) => {
    const result = await run(write(source));
    expect(result.result).toBe('bad');
    expect(result.message).toMatch(message);
  });

  it('that is not there is a bad answer', async () => {
    expect(await run('/nonexistent/check.mjs')).toMatchObject({
      result: 'bad',
      message: '/nonexistent/check.mjs: no such file',
    });
  });

  it('is taken up anew when its file changes, and loaded once when not', async () => {
    const file = write(
      'let n = 0; export default { check: () => ({ good: true, message: `one ${n += 1}` }) }',
    );
    expect(await runInTurn(file, 2)).toEqual(['one 1', 'one 2']);
    writeFileSync(file, 'export default { check: () => ({ good: true, message: "two" }) }');
    utimesSync(file, 1, 1);
    expect((await run(file)).message).toBe('two');
    writeFileSync(file, 'oops');
    utimesSync(file, 2, 2);
    expect(await run(file)).toMatchObject({ result: 'bad' });
  });

  it('is loaded with everything it imports', async () => {
    const part = write('export const text = "old";');
    const file = write(`import { text } from ${JSON.stringify(part)};
      export default { check: () => ({ good: true, message: text }) }`);
    expect((await run(file)).message).toBe('old');
    writeFileSync(part, 'export const text = "new";');
    expect((await run(file)).message).toBe('old');
    utimesSync(file, 1, 1);
    expect((await run(file)).message).toBe('new');
  });

  it('is asked about many servers at once, by one thread', async () => {
    const file = write(`let running = 0, most = 0;
      export default { async check({ server }) {
        most = Math.max(most, running += 1);
        await new Promise(setImmediate);
        await new Promise((done) => setTimeout(done, 50));
        running -= 1;
        return { good: true, message: server + ' ' + (most > 1 ? 'together' : 'alone') };
      } };`);
    await run(file);
    const before = threads();
    const servers = Array.from({ length: 2000 }, (_, index) => `10.0.0.1:${index}`);
    const results = await Promise.all(
      servers.map((server) => ask(checker, question(file), target(80, { server, timeoutMs: 30_000 }))),
    );
    expect(threads()).toBe(before);
    expect(results.slice(1).map(({ message }) => message)).toEqual(
      servers.slice(1).map((server) => `${server} together`),
    );
  });

  it('that could not be loaded is tried again by itself', async () => {
    const flag = join(folder, 'there');
    const file = write(`import { readFileSync } from 'node:fs';
      readFileSync(${JSON.stringify(flag)});
      export default { check: () => true };`);
    expect(await run(file)).toMatchObject({ result: 'bad', message: expect.stringMatching(/ENOENT/) as unknown });
    writeFileSync(flag, '');
    await vi.waitFor(async () => expect(await run(file)).toMatchObject({ result: 'good' }), { timeout: 15_000 });
  }); // prettier-ignore
});

describe('a module that goes wrong', { timeout: 60_000 }, () => {
  /** Does `body` when its options say so; else it is good. */
  const going = (body: string): string =>
    write(`export default { async check({ options }) { if (options.wrong) { ${body} } return true; } };`);
  const wrong = { wrong: true };
  const right = { wrong: false };

  it.each([
    ['in check()', 'for (;;);'],
    ['after a wait in check()', 'await null; for (;;);'],
    ['in a callback', 'setTimeout(() => { for (;;); }, 1); await new Promise(() => undefined);'],
  ])('by a loop without end %s is ended, and begins again', async (_, body) => {
    const file = going(body);
    await run(file, right);
    expect(await run(file, wrong, 100)).toMatchObject({ result: 'bad', reason: 'timeout' });
    await vi.waitFor(() => expect(told).toHaveLength(1), { timeout: 15_000 });
    expect(told[0]).toBe(
      `health check module ${file}: its thread was ended: it stood still for 400 ms, as in a loop without end; it is started again with the next check`,
    );
    expect(await run(file, right)).toMatchObject({ result: 'good' });
  });

  it.each([
    ['throws outside of check()', 'setImmediate(() => { throw new Error("stray"); }); await new Promise(() => undefined);', /^its thread ended: stray$/],
    ['rejects where nobody waits', 'Promise.reject(new Error("stray")); await new Promise(() => undefined);', /^its thread ended: stray$/],
    ['ends the process', 'process.exit(7);', /^its thread ended with code 7$/],
    ['eats all memory', 'const all = []; for (;;) all.push(new Array(1e6).fill(all.length));', /^its thread ended: .*memory/],
  ])('in that it %s is a bad answer, and begins again', async (_, body, message) => {
    const file = going(body);
    await run(file, right);
    expect(await run(file, wrong)).toMatchObject({ result: 'bad', reason: 'module', message: expect.stringMatching(message) as unknown });
    expect(told).toEqual([expect.stringContaining(`health check module ${file}: its thread ended`)]);
    expect(await run(file, right)).toMatchObject({ result: 'good' });
    expect(await run(file, wrong)).toMatchObject({ result: 'bad', reason: 'module' });
    expect(told).toHaveLength(1); // told once in a while, not each time
  }); // prettier-ignore

  it('by a loop without end when it is loaded is given up', async () => {
    await checker.close?.();
    checker = moduleChecker(undefined, { ...limits, importMs: 300 });
    expect(await run(write('for (;;);'))).toMatchObject({
      result: 'bad',
      reason: 'module',
      message: expect.stringMatching(/: cannot be imported: it did not finish within 300 ms$/) as unknown,
    });
  });

  it('takes no server down that it never came to ask', async () => {
    const flag = join(folder, 'looping');
    const file = going(`(await import('node:fs')).writeFileSync(${JSON.stringify(flag)}, ''); for (;;);`);
    const culprit = run(file, wrong, 2000);
    await vi.waitFor(() => expect(existsSync(flag)).toBe(true), { timeout: 10_000, interval: 5 });
    const others = await Promise.all(Array.from({ length: 5 }, () => run(file, right, 300)));
    expect(await culprit).toMatchObject({
      result: 'bad',
      reason: 'module', // found by the others, before its own timeout
      message: expect.stringMatching(/^its thread was ended: it stood still for 400 ms/) as unknown,
    });
    for (const other of others) expect(other).toMatchObject({ result: 'skipped', reason: 'held_up' });
  });

  it('by loading for longer than a check may take is skipped until it has', async () => {
    const file = write('await new Promise((done) => setTimeout(done, 300)); export default { check: () => true };');
    expect(await run(file, right, 50)).toMatchObject({ result: 'skipped', reason: 'held_up' });
    await vi.waitFor(async () => expect(await run(file, right, 50)).toMatchObject({ result: 'good' }), { timeout: 15_000 });
  }); // prettier-ignore

  it('by sending nonsense from its thread is not heard', async () => {
    const file = write(`import { workerData } from 'node:worker_threads';
      for (const nonsense of [null, 1, {}, { id: 7n }, { id: 99n, problem: "" }]) workerData.port.postMessage(nonsense);
      export default { check: () => true };`);
    expect(await run(file)).toMatchObject({ result: 'good' });
  });

  it('by taking long for each of many is not taken for one that stands still', async () => {
    const file = write(`export default { check() {
      for (const end = performance.now() + 5; performance.now() < end; );
      return true;
    } };`);
    await run(file);
    const results = await Promise.all(Array.from({ length: 300 }, () => run(file, undefined, 200)));
    const skipped = results.filter(({ result }) => result === 'skipped');
    expect(skipped.length).toBeGreaterThan(results.length / 2); // and hardly any was begun and not answered in time
    expect(await run(file)).toMatchObject({ result: 'good' });
    expect(told).toEqual([]);
  });
});

describe('the thread of a module', { timeout: 60_000 }, () => {
  const file = write('export default { check: () => true }');
  const gone = (count: number) => vi.waitFor(() => expect(threads()).toBe(count), { timeout: 15_000 });

  it('ends with the last server that is asked by it, and with its checker', async () => {
    const before = threads();
    checker.admit?.(question(file));
    checker.admit?.(question(file));
    await run(file);
    const during = threads();
    expect(during).toBeGreaterThan(before);
    checker.dismiss?.(question(file));
    await run(file);
    expect(threads()).toBe(during);
    checker.dismiss?.(question(file));
    await gone(before);
    await run(file);
    await checker.close?.();
    await gone(before);
  });

  it('ends when its file has changed, with the last call that is in it', async () => {
    const begun = join(folder, 'begun');
    const slow = write(`import { writeFileSync } from 'node:fs';
      export default { check({ options }) {
        writeFileSync(${JSON.stringify(begun)}, '');
        return new Promise((done) => setTimeout(done, options.ms, true));
      } };`);
    await run(slow, { ms: 0 });
    const during = threads();
    rmSync(begun);
    const last = run(slow, { ms: 500 });
    await vi.waitFor(() => expect(existsSync(begun)).toBe(true), { timeout: 10_000, interval: 5 });
    utimesSync(slow, 1, 1);
    expect(await Promise.all([run(slow, { ms: 0 }), last])).toMatchObject([
      { result: 'good' },
      { result: 'good' },
    ]);
    await gone(during);
  });

  it('ends with a call that hangs in it, once that is given up', async () => {
    const before = threads();
    const hanging = write(
      'export default { check: ({ options }) => { for (; options === "hang"; ); return true; } }',
    );
    await run(hanging);
    const hung = run(hanging, 'hang', 1000); // long enough to have begun, on a busy machine as well
    checker.admit?.(question(hanging));
    checker.dismiss?.(question(hanging));
    expect(await hung).toMatchObject({ result: 'bad', reason: 'timeout' });
    await gone(before);
  });
});
