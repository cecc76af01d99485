// SPDX-License-Identifier: Apache-2.0
/**
 * Metrics as text, in the two formats Prometheus reads: its own (version 0.0.4) and OpenMetrics 1.0. Ours instead of
 * prom-client's, whose counters cannot be set to what the dataplane has counted, and which renames them for good when it
 * has once written OpenMetrics.
 *
 * A label value can be any text: what would end it (a quote, a backslash, a newline) is escaped, so that no name in a
 * configuration can make a line of its own.
 */
import type { HistogramSeries, Labels, MetricDefinition, Told } from './definition.js';

export type Format = 'classic' | 'openmetrics';

export const contentTypes: Readonly<Record<Format, string>> = {
  classic: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The lines of one metric, each with its newline, series by series; nothing when it has no series. */
export function* textsOf(definition: MetricDefinition, told: Told, format: Format): Generator<string, void> {
  let before = headOf(definition, format);
  for (const text of seriesTexts(definition, told)) {
    yield before + text;
    before = '';
  }
}

function headOf({ name, help, type }: MetricDefinition, format: Format): string {
  // In OpenMetrics _total belongs to the sample and not to the metric's name.
  const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
  return `# HELP ${family} ${helpText(help, format)}\n# TYPE ${family} ${type}\n`;
}

function* seriesTexts(definition: MetricDefinition, told: Told): Generator<string, void> {
  const { name } = definition;
  if (definition.type === 'histogram') {
    for (const series of definition.series(told)) yield histogramLines(name, definition.bounds, series);
    return;
  }
  for (const { labels, labelText: own = labelText(labels), value } of definition.series(told))
    yield `${name}${braced(own)} ${value}\n`;
}

function histogramLines(
  name: string,
  bounds: readonly number[],
  { labels, labelText: own = labelText(labels), counts, sum }: HistogramSeries,
): string {
  const before = own === '' ? '' : `${own},`;
  let count = 0;
  let text = '';
  const begin = `${name}_bucket{${before}`;
  for (const [bucket, le] of leTexts(bounds).entries()) {
    count += counts[bucket] ?? 0;
    text += `${begin}${le} ${count}\n`;
  }
  return `${text}${name}_sum${braced(own)} ${sum}\n${name}_count${braced(own)} ${count}\n`;
}

const leOf = new WeakMap<readonly number[], readonly string[]>();

/** The same for every series of a histogram. */
function leTexts(bounds: readonly number[]): readonly string[] {
  const known = leOf.get(bounds) ?? [...bounds, Infinity].map((bound) => `le="${boundText(bound)}"}`);
  leOf.set(bounds, known);
  return known;
}

/** As OpenMetrics wants them in both formats: a scraper that changes formats must find the same series. */
function boundText(bound: number): string {
  if (bound === Infinity) return '+Inf';
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

const braced = (labels: string): string => (labels === '' ? '' : `{${labels}}`);

export function labelText(labels: Labels): string {
  let text = '';
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${escaped(labels[name] ?? '')}"`;
  return text;
}

/** A quote is escaped in OpenMetrics alone; to the classic format `\\"` in a help is a mistake. */
const helpText = (help: string, format: Format): string =>
  format === 'openmetrics' ? escaped(help) : help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const special = /[\\"\n]/;

function escaped(value: string): string {
  if (!special.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
