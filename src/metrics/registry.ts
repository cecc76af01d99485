// SPDX-License-Identifier: Apache-2.0
/** All metrics, pulled at scrape time: one sample, as much detail of it as the limit allows, and the text of that. */
import { adminMetrics } from './admin.js';
import { configMetrics } from './config.js';
import { defenceMetrics } from './defence.js';
import { details, sizesOf, viewOf, type Detail, type View } from './detail.js';
import { detailMetrics } from './detailed.js';
import { deviceMetrics } from './device.js';
import { flowMetrics } from './flows.js';
import { healthMetrics } from './health.js';
import { nodeIpvsMetrics } from './node-ipvs.js';
import { Pace } from './pace.js';
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
  readonly #takeSample: () => Sample | Promise<Sample>;
  readonly #onDetail: (change: DetailChange) => void;
  readonly #process: ProcessMetrics | null;
  #detail: Detail = details[0];

  constructor(
    takeSample: () => Sample | Promise<Sample>,
    { processMetrics = true, onDetail = () => undefined }: RegistryOptions = {},
  ) {
    this.#takeSample = takeSample;
    this.#onDetail = onDetail;
    this.#process = processMetrics ? new ProcessMetrics() : null;
  }

  /** The text for a scraper, in the format its Accept header asks for. */
  async render(accept = ''): Promise<Rendered> {
    const format: Format = accept.includes('application/openmetrics-text') ? 'openmetrics' : 'classic';
    const sample = await this.#takeSample();
    const pace = new Pace();
    const told = await paced(telling(sample, this.#process === null ? 0 : processSeries), pace);
    if (told.detail !== this.#detail) {
      this.#detail = told.detail;
      const { maxSeries } = told.settings;
      this.#onDetail({ detail: told.detail, maxSeries, seriesDropped: told.seriesDropped });
    }
    let own = '';
    for (const definition of allDefinitions) {
      if (pace.isOver) await pace.rest();
      own += textOf(definition, told, format);
    }
    const process = (await this.#process?.text(format)) ?? '';
    const end = format === 'openmetrics' ? '# EOF\n' : '';
    return { contentType: contentTypes[format], body: `${own}${process}${end}` };
  }
}

async function paced<T>(steps: Generator<void, T, undefined>, pace: Pace): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (pace.isOver) await pace.rest();
  }
}

/** The most detail whose series fit; the least when none does. `reserved` series are told besides. */
export function tell(sample: Sample, reserved = 0): Told {
  const steps = telling(sample, reserved);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same in steps, between which others may have a turn. */
function* telling(sample: Sample, reserved: number): Generator<void, Told, undefined> {
  const viewed = { ...sample, nodeIpvs: sample.settings.nodeIpvs };
  const told = (detail: Detail, dropped: number): Told => ({
    ...sample,
    detail,
    view: viewOf(viewed, detail),
    seriesDropped: dropped,
  });
  const nothing = { ...viewed, services: [], health: null };
  const common = commonSeries({
    ...sample,
    detail: details[0],
    view: viewOf(nothing, details[0]),
    seriesDropped: 0,
  });
  const room = sample.settings.maxSeries - reserved - common;
  const [most, ...less] = details;
  const all = seriesOf(sizesOf(viewed, most));
  let [detail, series]: [Detail, number] = [most, all];
  for (const next of less) {
    if (series <= room) break;
    yield;
    [detail, series] = [next, seriesOf(sizesOf(viewed, next))];
  }
  yield;
  return told(detail, all - series);
}

/** Series that are told at every detail. */
function commonSeries(told: Told): number {
  const common = allDefinitions.filter(({ rows }) => rows === undefined);
  return common.reduce(
    (sum, definition) => sum + [...definition.series(told)].length * widthOf(definition),
    0,
  );
}

const seriesOf = (sizes: Readonly<Record<keyof View, number>>): number =>
  allDefinitions.reduce((sum, definition) => {
    const rows = definition.rows === undefined ? 0 : sizes[definition.rows];
    return sum + rows * widthOf(definition);
  }, 0);
