// SPDX-License-Identifier: Apache-2.0
/**
 * How a server that has come up grows into its weight. In twenty steps at most, because every step is a new plan and a
 * publish: 5 % of one server is less than a scheduler's own unevenness.
 */
import type { SlowStart } from '../model/index.js';

const steps = 20;

/** What floating point may be off by, so that a step is neither repeated nor skipped. */
const tiny = 1e-9;

/** Its share `elapsedMs` after it came up: of its weight, above 0, in whole steps, never behind the curve. */
export function rampShare({ seconds, from, curve }: SlowStart, elapsedMs: number): number {
  const time = Math.max(0, elapsedMs) / (seconds * 1000);
  if (!(time < 1)) return 1;
  const exact = from + (1 - from) * time ** curve;
  return Math.min(steps, Math.max(1, Math.ceil(exact * steps - tiny))) / steps;
}

/** When, in milliseconds after it came up, the share is next another than it is `elapsedMs` after. */
export function stepAfter(slowStart: SlowStart, elapsedMs: number): number {
  const { seconds, from, curve } = slowStart;
  const share = rampShare(slowStart, elapsedMs);
  if (share >= 1 || from >= 1) return seconds * 1000;
  const time = Math.max(0, (share - from) / (1 - from)) ** (1 / curve);
  // The curve passes through the step here, so one millisecond later it is beyond it.
  return Math.min(seconds * 1000, Math.max(Math.floor(time * seconds * 1000), Math.floor(elapsedMs)) + 1);
}
