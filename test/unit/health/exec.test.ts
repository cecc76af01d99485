// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';

import { execChecker } from '../../../src/health/exec.js';
import { ask } from './support/ask.js';
import { address, target } from './support/checks.js';

const folder = mkdtempSync(join(tmpdir(), 'vsnat-exec-'));
afterAll(() => rmSync(folder, { recursive: true }));
const plain = join(folder, 'plain');
writeFileSync(plain, 'echo hello', { mode: 0o644 });

const checker = execChecker();
afterEach(() => checker.close?.());

const run = (script: string, timeoutMs = 2000) =>
  ask(checker, { kind: 'exec', command: ['/bin/sh', '-c', script] }, target(8080, { timeoutMs }));

/** Processes that mention `mark` on their command line. */
const alive = (mark: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark);
    } catch {
      return false; // it has just ended
    }
  });

describe('a program', () => {
  it.each([
    ['that ends with 0 is good', 'exit 0', 'good', 'exit code 0'],
    ['that ends with 0 and says something is quoted', 'echo fine; echo more', 'good', 'exit code 0: fine'],
    [
      'that ends with something else is bad',
      'echo out; echo "disk full" >&2; exit 3',
      'bad',
      'exit code 3: disk full',
    ],
    ['that is killed is bad', 'kill -9 $$', 'bad', 'ended by SIGKILL'],
    ['that writes controls is escaped', 'printf "\\033[2Jx"', 'good', 'exit code 0: \\x1b[2Jx'],
  ])('%s', async (_, script, result, message) =>
    expect(await run(script)).toMatchObject({ result, message }),
  );

  it('may give a weight', async () => {
    expect(await run('echo load low; echo weight=40%')).toMatchObject({ result: 'good', weightPercent: 40 });
    expect(await run('echo weight=40%; exit 1')).not.toHaveProperty('weightPercent');
  });

  it('is told the address to ask from, where there is one', async () => {
    const question = { kind: 'exec', command: ['/bin/sh', '-c', 'echo from $VSNAT_SOURCE'] } as const;
    const { message } = await ask(checker, question, target(8080, { source: address('127.0.0.9') }));
    expect(message).toBe('exit code 0: from 127.0.0.9');
  });

  it('is told whom to check, and nothing else of the daemon', async () => {
    vi.stubEnv('SECRET', 'password');
    const { message } = await run(
      'env | grep -v -e ^PWD -e ^SHLVL -e ^_ -e ^OLDPWD -e ^PATH | sort | tr "\\n" " "',
    );
    vi.unstubAllEnvs();
    expect(message).toBe(
      'exit code 0: VSNAT_ADDRESS=127.0.0.1 VSNAT_PORT=8080 VSNAT_SERVER=127.0.0.1:8080 VSNAT_SERVICE=web VSNAT_TIMEOUT_MS=2000',
    );
  });

  it('is no shell command', async () => {
    const result = await ask(checker, { kind: 'exec', command: ['/bin/echo', '$HOME;', '`id`'] }, target(1));
    expect(result.message).toBe('exit code 0: $HOME; `id`');
  });

  it.each([
    ['does not exist', '/nonexistent/check', '/nonexistent/check: no such program'],
    ['may not be run', plain, `${plain}: may not be run`],
  ])('that %s is bad', async (_, program, message) => {
    expect(await ask(checker, { kind: 'exec', command: [program] }, target(1))).toMatchObject({
      result: 'bad',
      message,
    });
  });

  it('that writes a gigabyte is ended early', async () => {
    const result = await run('exec yes');
    expect(result).toMatchObject({ result: 'bad', message: 'wrote more than 64 KiB' });
    expect(result.durationMs).toBeLessThan(1500);
  });

  it.each([
    ['to stderr', 'exec yes >&2'],
    ['without an end of line', 'exec tr "\\0" x < /dev/zero'],
    ['and is deaf to signals', 'trap "" PIPE TERM HUP INT; exec yes'],
  ])('that writes a gigabyte %s is ended early', async (_, script) => {
    expect(await run(script)).toMatchObject({ result: 'bad', message: 'wrote more than 64 KiB' });
  });

  it('that is deaf to signals is killed at the deadline with a crowd of children that are', async () => {
    const mark = `74.${process.pid}`;
    const script = `trap "" TERM HUP INT; for i in 1 2 3 4 5 6 7 8 9; do sleep ${mark} & done; wait`;
    expect(await run(script, 300)).toMatchObject({
      result: 'bad',
      message: 'no answer within 300 ms: still running',
    });
    await vi.waitFor(() => expect(alive(mark)).toEqual([]), 5000);
  });

  it('that closes its output and goes on is waited for, and no longer than to the deadline', async () => {
    expect(await run('exec >&- 2>&-; sleep 0.1; exit 4')).toMatchObject({
      result: 'bad',
      message: 'exit code 4',
    });
    expect(await run('exec >&- 2>&-; sleep 9', 200)).toMatchObject({ result: 'bad' });
  });

  it('that writes no text is shown escaped', async () => {
    const { result, message } = await run('head -c 300 /dev/urandom; exit 1');
    expect(result).toBe('bad');
    expect(message).toMatch(/^exit code 1: \P{C}{0,190}…?$/u);
  });

  it('that hangs is killed at the deadline with all of its children', async () => {
    const mark = `71.${process.pid}`;
    const result = await run(`sleep ${mark} & sleep ${mark}`, 300);
    expect(result).toMatchObject({ result: 'bad', message: 'no answer within 300 ms: still running' });
    await checker.close?.();
    await vi.waitFor(() => expect(alive(mark)).toEqual([]), 5000);
  });

  it('is believed although it leaves children behind, which are killed', async () => {
    const mark = `72.${process.pid}`;
    expect(await run(`echo done; sleep ${mark} & exit 0`)).toMatchObject({
      result: 'good',
      message: 'exit code 0: done',
    });
    await vi.waitFor(() => expect(alive(mark)).toEqual([]), 5000);
  });

  it('is believed although a child that left its group holds its output open', async () => {
    const file = join(folder, 'pid');
    const result = await run(
      `setsid sh -c 'echo $$ > ${file}; exec sleep 73' & while ! [ -s ${file} ]; do :; done; exit 0`,
      1000,
    );
    expect(result).toMatchObject({ result: 'good', message: 'exit code 0' });
    process.kill(Number(readFileSync(file, 'utf8')));
  });

  it('waits its turn elsewhere when too many run already', async () => {
    const asked = Array.from({ length: 64 }, () => run('sleep 5', 1500));
    expect(await run('exit 0')).toMatchObject({
      result: 'skipped',
      message: '64 programs of checks are running',
    });
    for (const result of await Promise.all(asked)) expect(result.result).toBe('bad');
    await checker.close?.();
    expect(await run('exit 0')).toMatchObject({ result: 'good' });
  });
});
