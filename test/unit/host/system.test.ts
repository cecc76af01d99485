// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test, vi } from 'vitest';
import { realSystem } from '../../../src/host/system.js';

const timers = (): number =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;

describe('running a program', () => {
  const cases = [
    ['that does not exist', ['vsnat-no-such-program'], 127],
    ['that may not be run', ['/dev/null'], 126],
    ['that fails', ['false'], 1],
    ['that succeeds', ['true'], 0],
  ] as const;
  for (const [name, argv, status] of cases) {
    test(`${name} leaves no timer that would keep the process`, async () => {
      const before = timers();
      expect(await realSystem.run(argv)).toMatchObject({ status });
      expect(timers()).toBeLessThanOrEqual(before);
    });
  }
});

describe('following a program', () => {
  const follow = (...argv: readonly string[]) => {
    const lines: string[] = [];
    let hasEnded = false;
    const stop = realSystem.follow(
      argv,
      (line) => lines.push(line),
      () => (hasEnded = true),
    );
    return { lines, stop, hasEnded: () => hasEnded };
  };
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const soon = { timeout: 5_000, interval: 10 };

  test('hears every line, and that it has ended by itself', async () => {
    const { lines, hasEnded } = follow('printf', 'one\ntwo\n');
    await vi.waitFor(() => expect(hasEnded()).toBe(true), soon);
    expect(lines).toEqual(['one', 'two']);
  });

  test('says of a program that does not exist that it has ended', async () => {
    const { hasEnded } = follow('vsnat-no-such-program');
    await vi.waitFor(() => expect(hasEnded()).toBe(true), soon);
  });

  test('ends it when asked to, and then says nothing of it', async () => {
    const { lines, stop, hasEnded } = follow('sh', '-c', 'echo $$; exec sleep 60');
    await vi.waitFor(() => expect(lines).toHaveLength(1), soon);
    const pid = Number(lines[0]);
    expect(isAlive(pid)).toBe(true);
    stop();
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), soon);
    expect(hasEnded()).toBe(false);
  });
});
