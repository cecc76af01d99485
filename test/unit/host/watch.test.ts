// SPDX-License-Identifier: Apache-2.0
/** When the host is looked at; time is the test's. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { bystanderNotices, plumbingNotices, type Notices } from '../../../src/host/notices.js';
import { longestGapMs, settleMs, Watch } from '../../../src/host/watch.js';

const gapMs = 5_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A kernel that tells of changes, or does not, and somebody who looks whenever the watch says so. */
function scene({ tells = true, isWell = () => true }: { tells?: boolean; isWell?: () => boolean } = {}) {
  const looks: number[] = [];
  const calls: string[] = [];
  let heard: (() => void) | null = null;
  const start = Date.now();
  const watch = new Watch({
    look: () => {
      calls.push('look');
      looks.push(Date.now() - start);
      return Promise.resolve(isWell());
    },
    gapMs: () => gapMs,
    hear: (call) => {
      if (!tells) return null;
      return {
        listen: () => {
          calls.push('listen');
          heard = call;
        },
        close: () => (heard = null),
      } satisfies Notices;
    },
  });
  /** Heard once for each time somebody listens, as the kernel's notices are. */
  const change = (): void => {
    const tell = heard;
    heard = null;
    tell?.();
  };
  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
  return { watch, looks, calls, change, pass };
}

describe('the watch on the host', () => {
  test('looks once soon after it begins, for what changed meanwhile, and then once a minute while nothing does', async () => {
    const { watch, looks, pass } = scene();
    watch.begin();
    await pass(3 * longestGapMs);
    expect(looks).toEqual([gapMs, gapMs + longestGapMs, gapMs + 2 * longestGapMs]);
    watch.close();
  });

  test('looks as soon as a change has settled', async () => {
    const { watch, looks, change, pass } = scene();
    watch.begin();
    await pass(20_000);
    looks.length = 0;
    change();
    await pass(settleMs);
    expect(looks).toEqual([20_000 + settleMs]);
    watch.close();
  });

  test('looks at most once in a gap, however much changes, and also at the last change', async () => {
    const { watch, looks, change, pass } = scene();
    watch.begin();
    await pass(20_000);
    looks.length = 0;
    for (let ms = 0; ms < 20_000; ms += 10) {
      change();
      await pass(10);
    }
    const first = 20_000 + settleMs;
    expect(looks).toEqual([first, first + gapMs, first + 2 * gapMs, first + 3 * gapMs]);
    await pass(gapMs);
    expect(looks).toHaveLength(5);
    await pass(gapMs);
    expect(looks).toHaveLength(5);
    watch.close();
  });

  test('listens before it looks, so that nothing falls between the two', async () => {
    const { watch, calls, pass } = scene();
    watch.begin();
    await pass(gapMs);
    expect(calls).toEqual(['listen', 'listen', 'look']);
    watch.close();
  });

  test('goes on looking while all is not well', async () => {
    let isWell = false;
    const { watch, looks, pass } = scene({ isWell: () => isWell });
    watch.begin();
    await pass(3 * gapMs);
    expect(looks).toEqual([gapMs, 2 * gapMs, 3 * gapMs]);
    isWell = true;
    await pass(longestGapMs - 1);
    expect(looks).toEqual([gapMs, 2 * gapMs, 3 * gapMs, 4 * gapMs]);
    watch.close();
  });

  test('looks again and again where the kernel tells nobody', async () => {
    const { watch, looks, pass } = scene({ tells: false });
    watch.begin();
    await pass(4 * gapMs);
    expect(looks).toHaveLength(4);
    watch.close();
  });

  test('does nothing once it is closed, also by a look that is under way', async () => {
    const { watch, looks, change, pass } = scene();
    watch.begin();
    await pass(gapMs - 1);
    change();
    watch.close();
    await pass(10 * longestGapMs);
    expect(looks).toEqual([]);
    watch.begin();
    await pass(10 * longestGapMs);
    expect(looks).toEqual([]);
  });
});

describe('notices', () => {
  /** A host whose kernel tells of changes, unless it does not, with files to be read. */
  function host({ tells = true } = {}) {
    const files = new Map<string, string>();
    let told: (() => void) | null = null;
    const asked: (readonly string[])[] = [];
    const system = {
      read: (path: string) => Promise.resolve(files.get(path) ?? null),
      notices: (subjects: readonly string[], call: () => void): Notices | null => {
        asked.push(subjects);
        return tells ? { listen: () => (told = call), close: () => (told = null) } : null;
      },
    };
    return { files, asked, system, tell: () => told?.() };
  }

  test('of the plumbing are about its own routes and sysctls, which only reading tells of', async () => {
    const { files, asked, system, tell } = host();
    const file = '/proc/sys/net/ipv4/conf/vsnat0/accept_local';
    files.set(file, '1\n');
    let heard = 0;
    const notices = plumbingNotices(system, () => [file], gapMs)(() => (heard += 1));
    expect(asked[0]).toContain('routes');
    notices?.listen();
    await vi.advanceTimersByTimeAsync(4 * gapMs);
    expect(heard).toBe(0);
    files.set(file, '0\n');
    await vi.advanceTimersByTimeAsync(gapMs);
    expect(heard).toBe(1);
    await vi.advanceTimersByTimeAsync(4 * gapMs);
    expect(heard).toBe(1);
    notices?.listen();
    await vi.advanceTimersByTimeAsync(4 * gapMs);
    expect(heard).toBe(1);
    tell();
    expect(heard).toBe(2);
    notices?.close();
    files.set(file, '1\n');
    await vi.advanceTimersByTimeAsync(4 * gapMs);
    expect(heard).toBe(2);
  });

  test('of bystanders are about other things, and the tables of iptables-legacy', async () => {
    const { files, asked, system } = host();
    let heard = 0;
    const notices = bystanderNotices(system, gapMs)(() => (heard += 1));
    expect(asked[0]).toEqual(expect.arrayContaining(['firewall', 'policies', 'queueing', 'rules']));
    expect(asked[0]).not.toContain('routes');
    notices?.listen();
    await vi.advanceTimersByTimeAsync(gapMs);
    files.set('/proc/net/ip_tables_names', 'filter\n');
    await vi.advanceTimersByTimeAsync(gapMs);
    expect(heard).toBe(1);
    notices?.close();
  });

  test('are none where the kernel tells nobody', () => {
    const { system } = host({ tells: false });
    expect(bystanderNotices(system, gapMs)(() => undefined)).toBeNull();
  });
});
