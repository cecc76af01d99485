// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it, vi } from 'vitest';

import { moduleChecker, type CheckTarget, type CustomCheck } from '../../../src/health/module.js';
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

const checker = moduleChecker();
const run = (file: string, timeoutMs = 2000) =>
  ask(checker, { kind: 'module', file, options: { depth: 3 } }, target(8080, { timeoutMs }));

/** A check that is there already. */
const inline = (check: CustomCheck['check'], timeoutMs = 2000) =>
  ask(
    moduleChecker(() => Promise.resolve({ default: { check } })),
    { kind: 'module', file: import.meta.filename, options: { depth: 3 } },
    target(8080, { timeoutMs }),
  );

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
      { result: 'bad', message: 'threw something that cannot be shown' },
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
      'an error that cannot be shown',
      'Promise.reject({ toString() { throw 1 } })',
      { result: 'bad', message: 'threw something that cannot be shown' },
    ],
    ['a trap', '({ get good() { throw new Error("trap") } })', { result: 'bad', message: 'Error: trap' }],
  ])('that returns %s is understood', async (_, expression, expected) => {
    expect(await run(write(`export default { check: () => ${expression} }`))).toMatchObject(expected);
  });

  it('is told whom to check and what the configuration gave it', async () => {
    const seen = vi.fn<(target: CheckTarget) => boolean>(() => true);
    await inline(seen);
    expect(seen.mock.calls[0]?.[0]).toEqual({
      address: '127.0.0.1',
      port: 8080,
      source: null,
      service: 'web',
      server: '127.0.0.1:8080',
      timeoutMs: 2000,
      options: { depth: 3 },
    });
  });

  it('that never answers is given up, and told so by its signal', async () => {
    let aborted = false;
    const result = await inline((_, signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise(() => undefined);
    }, 50);
    expect(result).toMatchObject({
      result: 'bad',
      message: 'no answer within 50 ms: check() has not returned',
    });
    expect(aborted).toBe(true);
  });

  it.each([
    ['has no check', 'export default {}', /must have a default export with a function check/],
    ['is no JavaScript', 'export default {', /^(Syntax)?Error: /],
    ['throws when it is loaded', 'throw new Error("at load")', /^Error: at load/],
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
    expect([(await run(file)).message, (await run(file)).message]).toEqual(['one 1', 'one 2']);
    writeFileSync(file, 'export default { check: () => ({ good: true, message: "two" }) }');
    utimesSync(file, 1, 1);
    expect((await run(file)).message).toBe('two');
    writeFileSync(file, 'oops');
    utimesSync(file, 2, 2);
    expect(await run(file)).toMatchObject({ result: 'bad' });
  });
});
