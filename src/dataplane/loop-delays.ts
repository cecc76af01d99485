// SPDX-License-Identifier: Apache-2.0
/** The addon's `LoopDelays`: how long this thread's event loop keeps waiting whoever comes to it, measured without waking it. */

/** As perf_hooks.monitorEventLoopDelay() with this resolution would measure them. */
export type LoopDelaysClass = new (intervalMs: number) => RawLoopDelays;

export interface RawLoopDelays {
  /** Since the last time: count, min, max, mean, deviation, p50, p90 and p99, in nanoseconds. */
  read(): Float64Array;
  close(): void;
}

export interface LoopDelays {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** In seconds. */
export function decodeLoopDelays(raw: Float64Array): LoopDelays {
  const [, min = 0, max = 0, mean = 0, stddev = 0, p50 = 0, p90 = 0, p99 = 0] = [...raw].map(
    (ns) => ns / 1e9,
  );
  return { min, max, mean, stddev, p50, p90, p99 };
}
