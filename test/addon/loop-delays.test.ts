// SPDX-License-Identifier: Apache-2.0
/** The event loop's delays through the addon, beside Node's own timer. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { decodeLoopDelays } from '../../src/dataplane/loop-delays.js';
import { loadAddon } from '../../src/dataplane/native.js';

const { LoopDelays } = loadAddon();
if (LoopDelays === undefined) throw new Error('the addon cannot measure event loops');
const Delays = LoopDelays;

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

it('takes no nonsense', () => {
  expect(() => new Delays('10' as never)).toThrow('needs milliseconds');
  expect(() => new Delays(0)).toThrow('needs milliseconds');
  const delays = new Delays(10);
  delays.close();
  expect(() => delays.read()).toThrow('EBADF');
  delays.close();
});

it('finds what holds up the loop, as a timer that looks all the time does, and forgets it when it has told', async () => {
  const delays = new Delays(10);
  const timer = monitorEventLoopDelay({ resolution: 10 });
  timer.enable();
  await pause(100);
  block(200);
  await pause(100);
  timer.disable();
  const told = decodeLoopDelays(delays.read());
  expect(told.max).toBeGreaterThan(0.2);
  // The two look at different moments of the same hold-up, an interval apart at most; the rest is the machine's.
  expect(Math.abs(told.max - timer.max / 1e9)).toBeLessThan(0.05);
  expect(told.min).toBeGreaterThanOrEqual(0.01);
  expect(told.p50).toBeLessThan(0.1);
  await pause(50);
  expect(decodeLoopDelays(delays.read()).max).toBeLessThan(0.2);
  delays.close();
});

it('keeps no process alive', () => {
  const program = `new (require('node-gyp-build')(process.argv[1]).LoopDelays)(10); console.log('over')`;
  const root = path.join(import.meta.dirname, '../..');
  const { stdout, status } = spawnSync(process.execPath, ['-e', program, root], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, 'over\n']);
});
