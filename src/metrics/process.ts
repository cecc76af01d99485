// SPDX-License-Identifier: Apache-2.0
/**
 * The metrics of the Node process, as prom-client defines them. Two registries hold the same ones, because a registry that
 * speaks OpenMetrics renames the counters in it.
 */
import { collectDefaultMetrics, Registry, type Metric, type OpenMetricsContentType } from 'prom-client';

import type { Format } from './text.js';

/** prom-client calls these gauges _total, which promtool refuses; nodejs_active_resources says the same. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

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

  constructor() {
    this.#open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE); // the type does not know the constructor's parameter
    collectDefaultMetrics({ register: this.#classic });
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

/** The same metric for OpenMetrics, where a counter is named without the _total its samples carry. */
function renamed(metric: Pulled): Pulled {
  const name = metric.type === 'counter' ? metric.name.replace(/_total$/, '') : metric.name;
  const get = async (): Promise<unknown> => {
    const value = await (metric.getForPromString === undefined ? metric.get() : metric.getForPromString());
    return { ...(value as object), name };
  };
  return { name, help: metric.help, type: metric.type, aggregator: 'sum', get, reset: () => undefined };
}
