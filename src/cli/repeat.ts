// SPDX-License-Identifier: Apache-2.0
/**
 * Commands that go on until somebody has seen enough: SIGINT and SIGTERM end them well, and so does a reader that closes
 * our stdout (`vsnat events --follow | head`).
 */

/** Does `work` every `everyMs`, the first time at once. What it throws ends it; what waits is to give up with the signal. */
export async function repeat(work: (signal: AbortSignal) => Promise<void>, everyMs: number): Promise<void> {
  const { signal, off } = untilStopped();
  try {
    while (!signal.aborted) {
      await work(signal);
      await sleep(everyMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    off();
  }
}

export function untilStopped(): { readonly signal: AbortSignal; readonly off: () => void } {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, end);
  process.stdout.on('error', end); // main.ts tells EPIPE from what is serious
  return {
    signal: stop.signal,
    off: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, end);
      process.stdout.off('error', end);
    },
  };
}

export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
