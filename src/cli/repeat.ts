// SPDX-License-Identifier: Apache-2.0
/**
 * Commands that go on until somebody has seen enough: SIGINT and SIGTERM end them well, and so does a reader that closes
 * our stdout (`vsnat events --follow | head`).
 */

/** Does `work` every `everyMs`, the first time at once. What it throws ends it. */
export async function repeat(work: () => Promise<void>, everyMs: number): Promise<void> {
  const { signal, off } = untilStopped();
  try {
    while (!signal.aborted) {
      await work();
      await sleep(everyMs, signal);
    }
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

function sleep(ms: number, signal: AbortSignal): Promise<void> {
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
