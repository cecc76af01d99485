// SPDX-License-Identifier: Apache-2.0
/**
 * The metrics as prom-client knows them, pulled at scrape time. prom-client's own Counter cannot be set to the absolute
 * values the dataplane keeps, so each definition is registered as a metric object of ours with a get().
 *
 * There are two registries over the same metrics, because a prom-client registry that speaks OpenMetrics renames the
 * counters it holds, for good: shared objects would lose their `_total` in the classic format as well.
 */
import { collectDefaultMetrics, Registry, type Metric, type OpenMetricsContentType } from 'prom-client';

import { configMetrics } from './config.js';
import { defenceMetrics } from './defence.js';
import { deviceMetrics } from './device.js';
import { flowMetrics } from './flows.js';
import { queueMetrics } from './queues.js';
import { serviceMetrics } from './services.js';
import type { MetricDefinition, Sample } from './definition.js';

export const metricDefinitions: readonly MetricDefinition[] = [
  ...configMetrics,
  ...serviceMetrics,
  ...queueMetrics,
  ...flowMetrics,
  ...defenceMetrics,
  ...deviceMetrics,
];

/** prom-client calls these gauges _total, which promtool refuses; nodejs_active_resources says the same. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

export interface Rendered {
  readonly contentType: string;
  readonly body: string;
}

interface Pulled {
  name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  get(): unknown;
  getForPromString?(): unknown;
  reset(): void;
}

export class MetricsRegistry {
  readonly #classic = new Registry();
  readonly #open = new Registry<OpenMetricsContentType>();
  readonly #takeSample: () => Sample;
  #sample: Sample | undefined;

  constructor(takeSample: () => Sample, { processMetrics = true }: { processMetrics?: boolean } = {}) {
    this.#takeSample = takeSample;
    this.#open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE); // the type does not know the constructor's parameter
    for (const definition of metricDefinitions) register(this.#classic, this.#pulled(definition));
    if (processMetrics) collectDefaultMetrics({ register: this.#classic });
    for (const name of misnamed) this.#classic.removeSingleMetric(name);
    for (const { name } of this.#classic.getMetricsAsArray()) {
      const metric: unknown = this.#classic.getSingleMetric(name);
      register(this.#open, renamed(metric as Pulled));
    }
  }

  /** The text for a scraper, in the format its Accept header asks for. */
  async render(accept = ''): Promise<Rendered> {
    const registry = accept.includes('application/openmetrics-text') ? this.#open : this.#classic;
    this.#sample = this.#takeSample();
    const body = registry.metrics(); // calls every get() before it first waits, so all of them see this sample
    return { contentType: registry.contentType, body: await body };
  }

  #pulled({ name, help, type, series }: MetricDefinition): Pulled {
    const get = (): unknown => {
      const sample = this.#sample ?? this.#takeSample();
      return { name, help, type, aggregator: 'sum', values: [...series(sample)] };
    };
    return { name, help, type, aggregator: 'sum', get, reset: () => undefined };
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

/** prom-client's type asks for its own classes; its registry asks only for what Pulled has. */
function register(registry: Registry | Registry<OpenMetricsContentType>, metric: Pulled): void {
  registry.registerMetric(metric as unknown as Metric);
}
