// SPDX-License-Identifier: Apache-2.0
/** All metrics, pulled at scrape time: one sample, as much detail of it as the limit allows, and the text of that. */
import { adminMetrics } from './admin.js';
import { configMetrics } from './config.js';
import { defenceMetrics } from './defence.js';
import { details, viewOf, type Detail, type View } from './detail.js';
import { detailMetrics } from './detailed.js';
import { deviceMetrics } from './device.js';
import { flowMetrics } from './flows.js';
import { healthMetrics } from './health.js';
import { nodeIpvsMetrics } from './node-ipvs.js';
import { ProcessMetrics, processSeries } from './process.js';
import { queueMetrics } from './queues.js';
import { serviceMetrics } from './services.js';
import { signalMetrics } from './signals.js';
import { contentTypes, textOf, type Format } from './text.js';
import { widthOf, type MetricDefinition, type Sample, type Told } from './definition.js';

export const metricDefinitions: readonly MetricDefinition[] = [
  ...configMetrics,
  ...serviceMetrics,
  ...signalMetrics,
  ...healthMetrics,
  ...queueMetrics,
  ...flowMetrics,
  ...defenceMetrics,
  ...deviceMetrics,
  ...detailMetrics,
  ...adminMetrics,
];

export const allDefinitions: readonly MetricDefinition[] = [...metricDefinitions, ...nodeIpvsMetrics];

export interface Rendered {
  readonly contentType: string;
  readonly body: string;
}

export interface DetailChange {
  readonly detail: Detail;
  readonly maxSeries: number;
  readonly seriesDropped: number;
}

/** A change of detail as a line of the log. */
export function detailText({ detail, maxSeries, seriesDropped }: DetailChange): string {
  if (detail === details[0]) return 'metrics: everything of every server is told again';
  return (
    `metrics: ${seriesDropped} series are left out to keep to metrics.max_series ${maxSeries}, the detail is ${detail}; ` +
    'docs/metrics.md says what that is'
  );
}

export interface RegistryOptions {
  readonly processMetrics?: boolean;
  /** Another detail than at the scrape before; not for the first when all is told. */
  readonly onDetail?: (change: DetailChange) => void;
}

export class MetricsRegistry {
  readonly #takeSample: () => Sample;
  readonly #onDetail: (change: DetailChange) => void;
  readonly #process: ProcessMetrics | null;
  #detail: Detail = details[0];

  constructor(
    takeSample: () => Sample,
    { processMetrics = true, onDetail = () => undefined }: RegistryOptions = {},
  ) {
    this.#takeSample = takeSample;
    this.#onDetail = onDetail;
    this.#process = processMetrics ? new ProcessMetrics() : null;
  }

  /** The text for a scraper, in the format its Accept header asks for. */
  async render(accept = ''): Promise<Rendered> {
    const format: Format = accept.includes('application/openmetrics-text') ? 'openmetrics' : 'classic';
    const told = tell(this.#takeSample(), this.#process === null ? 0 : processSeries);
    if (told.detail !== this.#detail) {
      this.#detail = told.detail;
      const { maxSeries } = told.settings;
      this.#onDetail({ detail: told.detail, maxSeries, seriesDropped: told.seriesDropped });
    }
    const own = allDefinitions.map((definition) => textOf(definition, told, format)).join('');
    const process = (await this.#process?.text(format)) ?? '';
    const end = format === 'openmetrics' ? '# EOF\n' : '';
    return { contentType: contentTypes[format], body: `${own}${process}${end}` };
  }
}

/** The most detail whose series fit; the least when none does. `reserved` series are told besides. */
export function tell(sample: Sample, reserved = 0): Told {
  const viewed = { ...sample, nodeIpvs: sample.settings.nodeIpvs };
  const most: Told = { ...sample, detail: details[0], view: viewOf(viewed, details[0]), seriesDropped: 0 };
  const room = sample.settings.maxSeries - reserved - commonSeries(most);
  const all = seriesOf(most.view);
  let told = most;
  for (const detail of details.slice(1)) {
    if (seriesOf(told.view) <= room) break;
    const view = viewOf(viewed, detail);
    told = { ...most, detail, view, seriesDropped: all - seriesOf(view) };
  }
  return told;
}

/** Series that are told at every detail. */
function commonSeries(told: Told): number {
  const common = allDefinitions.filter(({ rows }) => rows === undefined);
  return common.reduce(
    (sum, definition) => sum + [...definition.series(told)].length * widthOf(definition),
    0,
  );
}

const seriesOf = (view: View): number =>
  allDefinitions.reduce((sum, definition) => {
    const rows = definition.rows === undefined ? 0 : view[definition.rows].length;
    return sum + rows * widthOf(definition);
  }, 0);
