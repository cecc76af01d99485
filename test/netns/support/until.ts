// SPDX-License-Identifier: Apache-2.0
/** Waiting for a condition with a deadline: the only kind of waiting these tests do. */
import { setTimeout as pause } from 'node:timers/promises';

export interface UntilOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
}

/**
 * Resolves with the first truthy value of `probe`. `what` completes "waited for ...". Only what fails waits to the end, so the
 * deadline is one that a machine with much other work keeps, too.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = 30_000, everyMs = 20 }: UntilOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (performance.now() >= deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await pause(everyMs);
  }
}
