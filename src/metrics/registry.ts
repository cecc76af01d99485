// SPDX-License-Identifier: Apache-2.0
/** All metrics, pulled at scrape time: one sample, as much detail of it as the limit allows, and the text of that. */
import { adminMetrics } from './admin.js';
import { configMetrics } from './config.js';
import { defenceMetrics } from './defence.js';
import { details, emptyView, sizing, viewing, type Detail, type Sizes } from './detail.js';
import { detailMetrics } from './detailed.js';
import { deviceMetrics } from './device.js';
import { flowMetrics } from './flows.js';
import { healthMetrics } from './health.js';
import { nodeIpvsMetrics } from './node-ipvs.js';
import type { LoopDelays } from '../dataplane/loop-delays.js';
import { atOnce, Pace, paced } from '../pace.js';
import { ProcessMetrics, processSeries } from './process.js';
import { queueMetrics } from './queues.js';
import { serviceMetrics } from './services.js';
import { signalMetrics } from './signals.js';
import { contentTypes, textsOf, type Format } from './text.js';
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
  /** Milliseconds; the slices of a scrape go by it. */
  readonly now?: () => number;
  readonly processMetrics?: boolean;
  /** As ProcessMetrics takes it. */
  readonly loopDelays?: (() => LoopDelays) | null;
  /** Another detail than at the scrape before; not for the first when all is told. */
  readonly onDetail?: (change: DetailChange) => void;
}

export class MetricsRegistry {
  readonly #takeSample: () => Sample | Promise<Sample>;
  readonly #onDetail: (change: DetailChange) => void;
  readonly #process: ProcessMetrics | null;
  readonly #now: (() => number) | undefined;
  #detail: Detail = details[0];

  constructor(
    takeSample: () => Sample | Promise<Sample>,
    { processMetrics = true, loopDelays = null, onDetail = () => undefined, now }: RegistryOptions = {},
  ) {
    this.#takeSample = takeSample;
    this.#onDetail = onDetail;
    this.#now = now;
    this.#process = processMetrics ? new ProcessMetrics(loopDelays) : null;
  }

  /** The text for a scraper, in the format its Accept header asks for. */
  async render(accept = ''): Promise<Rendered> {
    const format: Format = accept.includes('application/openmetrics-text') ? 'openmetrics' : 'classic';
    const sample = await this.#takeSample();
    const pace = new Pace(this.#now);
    const told = await paced(telling(sample, this.#process === null ? 0 : processSeries), pace);
    if (told.detail !== this.#detail) {
      this.#detail = told.detail;
      const { maxSeries } = told.settings;
      this.#onDetail({ detail: told.detail, maxSeries, seriesDropped: told.seriesDropped });
    }
    let own = '';
    for (const definition of allDefinitions) {
      for (const text of textsOf(definition, told, format)) {
        own += text;
        if (pace.isOver) await pace.rest();
      }
    }
    const process = (await this.#process?.text(format)) ?? '';
    const end = format === 'openmetrics' ? '# EOF\n' : '';
    return { contentType: contentTypes[format], body: `${own}${process}${end}` };
  }
}

/** The most detail whose series fit; the least when none does. `reserved` series are told besides. */
export const tell = (sample: Sample, reserved = 0): Told => atOnce(telling(sample, reserved));

/** The same in steps. */
function* telling(sample: Sample, reserved: number): Generator<void, Told, undefined> {
  const viewed = { ...sample, nodeIpvs: sample.settings.nodeIpvs };
  const [most, ...less] = details;
  const common = commonSeries({ ...sample, detail: most, view: emptyView, seriesDropped: 0 });
  const room = sample.settings.maxSeries - reserved - common;
  const sizesOf = yield* sizing(viewed);
  const all = seriesOf(sizesOf(most));
  let [detail, series]: [Detail, number] = [most, all];
  for (const next of less) {
    if (series <= room) break;
    [detail, series] = [next, seriesOf(sizesOf(next))];
  }
  const view = yield* viewing(viewed, detail);
  return { ...sample, detail, view, seriesDropped: all - series };
}

/** Series that are told at every detail. */
function commonSeries(told: Told): number {
  const common = allDefinitions.filter(({ rows }) => rows === undefined);
  return common.reduce(
    (sum, definition) => sum + [...definition.series(told)].length * widthOf(definition),
    0,
  );
}

const seriesOf = (sizes: Sizes): number =>
  allDefinitions.reduce((sum, definition) => {
    const rows = definition.rows === undefined ? 0 : sizes[definition.rows];
    return sum + rows * widthOf(definition);
  }, 0);
