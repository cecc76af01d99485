// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';

import { availablePages } from '../../../src/host/memory.js';
import { realSystem } from '../../../src/host/system.js';

const meminfo = (lines: readonly string[]) => ({
  read: (path: string) => Promise.resolve(path === '/proc/meminfo' ? `${lines.join('\n')}\n` : null),
});

test('free pages and buffers count, the page cache does not', async () => {
  const system = meminfo([
    'MemTotal:        2033312 kB',
    'MemFree:          100007 kB',
    'MemAvailable:    1500000 kB',
    'Buffers:             403 kB',
    'Cached:          1200000 kB',
    'SwapFree:         999999 kB',
  ]);
  expect(await availablePages(system)).toBe(25_001 + 100);
});

test('a file that is missing or says something else tells nothing', async () => {
  expect(await availablePages({ read: () => Promise.resolve(null) })).toBeNull();
  expect(await availablePages(meminfo(['MemFree: 12 kB']))).toBeNull();
  expect(await availablePages(meminfo(['MemFree: many kB', 'Buffers: 1 kB']))).toBeNull();
});

test('this machine tells', async () => {
  expect(await availablePages(realSystem)).toBeGreaterThan(0);
});
