// SPDX-License-Identifier: Apache-2.0
/**
 * The metrics of the Node process, as prom-client defines them. Two registries hold the same ones, because a registry that
 * speaks OpenMetrics renames the counters in it.
 */
import {
  collectDefaultMetrics,
  Gauge,
  Registry,
  type Metric,
  type OpenMetricsContentType,
} from 'prom-client';

import type { LoopDelays } from '../dataplane/loop-delays.js';

import type { Format } from './text.js';

/** prom-client calls these gauges _total, which promtool refuses; nodejs_active_resources says the same. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/**
 * prom-client measures these with a timer that wakes the process a hundred times a second, which is half a percent of a core
 * and more than all else an idle daemon does. Its name, its sentence; ours is who measures.
 */
const lags: readonly (readonly [name: string, help: string, of: keyof LoopDelays])[] = [
  ['nodejs_eventloop_lag_min_seconds', 'The minimum recorded event loop delay.', 'min'],
  ['nodejs_eventloop_lag_max_seconds', 'The maximum recorded event loop delay.', 'max'],
  ['nodejs_eventloop_lag_mean_seconds', 'The mean of the recorded event loop delays.', 'mean'],
  [
    'nodejs_eventloop_lag_stddev_seconds',
    'The standard deviation of the recorded event loop delays.',
    'stddev',
  ],
  ['nodejs_eventloop_lag_p50_seconds', 'The 50th percentile of the recorded event loop delays.', 'p50'],
  ['nodejs_eventloop_lag_p90_seconds', 'The 90th percentile of the recorded event loop delays.', 'p90'],
  ['nodejs_eventloop_lag_p99_seconds', 'The 99th percentile of the recorded event loop delays.', 'p99'],
];
/** Setting its timer to never is all that prom-client lets one do about it. */
const neverMs = 2 ** 31 - 1;
/** Between the samples of the delays. */
export const loopIntervalMs = 10;

/** What metrics.max_series sets aside for them: they are some 60, and grow a little with the kinds of resources in use. */
export const processSeries = 120;

interface Pulled {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  get(): unknown;
  getForPromString?(): unknown;
  reset(): void;
}

export class ProcessMetrics {
  readonly #classic = new Registry();
  readonly #open = new Registry<OpenMetricsContentType>();

  /** `loopDelays`: since it was asked last, with samples every `loopIntervalMs`; null: prom-client measures them. */
  constructor(loopDelays: (() => LoopDelays) | null = null) {
    this.#open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE); // the type does not know the constructor's parameter
    collectDefaultMetrics({
      register: this.#classic,
      eventLoopMonitoringPrecision: loopDelays === null ? loopIntervalMs : neverMs,
    });
    if (loopDelays !== null) tellLags(this.#classic, loopDelays);
    for (const name of misnamed) this.#classic.removeSingleMetric(name);
    for (const { name } of this.#classic.getMetricsAsArray()) {
      const metric: unknown = this.#classic.getSingleMetric(name);
      this.#open.registerMetric(renamed(metric as Pulled) as unknown as Metric);
    }
  }

  /** With a newline at its end; of OpenMetrics without the mark of the end. */
  async text(format: Format): Promise<string> {
    if (format === 'openmetrics') return (await this.#open.metrics()).replace(/# EOF\n$/, '');
    return (await this.#classic.metrics()).replaceAll('\n\n', '\n');
  }
}

function tellLags(register: Registry, loopDelays: () => LoopDelays): void {
  // Asked once for all of them, at the first.
  const collect = (): void => {
    const delays = loopDelays();
    for (const { gauge, of } of gauges) gauge.set(delays[of]);
  };
  const gauges = lags.map(([name, help, of], index) => {
    register.removeSingleMetric(name);
    return { gauge: new Gauge({ name, help, registers: [register], ...(index === 0 && { collect }) }), of };
  });
}

/** The same metric for OpenMetrics, where a counter is named without the _total its samples carry. */
function renamed(metric: Pulled): Pulled {
  const name = metric.type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name;
  const get = async (): Promise<unknown> => {
    const value = await (metric.getForPromString === undefined ? metric.get() : metric.getForPromString());
    return { ...(value as object), name };
  };
  return { name, help: metric.help, type: metric.type, aggregator: 'sum', get, reset: () => undefined };
}
