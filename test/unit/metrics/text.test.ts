// SPDX-License-Identifier: Apache-2.0
/** Names of services come from a configuration; whatever they are, they stay inside their quotes. */
import { spawnSync } from 'node:child_process';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { contentTypes, textsOf, type Format } from '../../../src/metrics/text.js';
import { allDefinitions, MetricsRegistry, tell } from '../../../src/metrics/registry.js';
import type { MetricDefinition, NumberDefinition } from '../../../src/metrics/definition.js';
import { testWith } from '../../support/programs.js';
import { busySample } from './sample.js';

const told = tell(busySample());
const textOf = (...of: Parameters<typeof textsOf>): string => [...textsOf(...of)].join('');
const formats = Object.keys(contentTypes) as Format[];

const gaugeOf = (name: string): NumberDefinition => ({
  name: 'vsnat_test',
  help: 'A test.',
  type: 'gauge',
  labels: ['service'],
  series: () => [{ labels: { service: name }, value: 1 }],
});

/** What Prometheus' parser makes of a quoted value. */
const unescaped = (text: string): string =>
  text.replaceAll(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));

const nasty = [
  'a"} 1\nvsnat_evil 1',
  '\\',
  '\\n',
  'x\\"',
  '# EOF\n# TYPE a counter',
  'a\r\nb',
  '\u2028',
  '{}',
  '',
];

describe('the text of the metrics', () => {
  it.each(formats)('holds any name in one line and gives it back (%s)', (format) => {
    const holds = (name: string): void => {
      const text = textOf(gaugeOf(name), told, format);
      expect(text.split('\n')).toHaveLength(4);
      const value = /^vsnat_test\{service="((?:[^"\\\n]|\\.)*)"\} 1$/m.exec(text)?.[1];
      expect(value === undefined ? value : unescaped(value)).toBe(name);
    };
    nasty.forEach(holds);
    fc.assert(fc.property(fc.string({ unit: 'binary' }), holds));
  });

  it('escapes in a help what its format has an escape for', () => {
    const quoted = { ...gaugeOf('a'), help: 'A "test"\\\nof two.' };
    const helpOf = (format: Format): string | undefined => textOf(quoted, told, format).split('\n')[0];
    expect(helpOf('classic')).toBe('# HELP vsnat_test A "test"\\\\\\nof two.');
    expect(helpOf('openmetrics')).toBe('# HELP vsnat_test A \\"test\\"\\\\\\nof two.');
  });

  it.each(formats)('writes labels that it knows already as it would write them anew (%s)', (format) => {
    for (const definition of allDefinitions) {
      const plain = {
        ...definition,
        series: (of: typeof told) =>
          [...definition.series(of)].map((series) => ({
            ...('counts' in series ? { counts: series.counts, sum: series.sum } : { value: series.value }),
            labels: series.labels,
          })),
      } as MetricDefinition;
      expect(textOf(definition, told, format)).toBe(textOf(plain, told, format));
    }
  });

  it('says nothing of a metric that has no series', () => {
    expect(textOf({ ...gaugeOf(''), series: () => [] }, told, 'classic')).toBe('');
  });

  it('names a counter of OpenMetrics without the end its samples have', () => {
    const counter: NumberDefinition = { ...gaugeOf('a'), name: 'vsnat_test_total', type: 'counter' };
    expect(textOf(counter, told, 'openmetrics')).toBe(
      '# HELP vsnat_test A test.\n# TYPE vsnat_test counter\nvsnat_test_total{service="a"} 1\n',
    );
  });

  testWith('promtool')('is the same metrics to promtool, whatever services are called', async () => {
    const sample = busySample();
    const [web] = sample.services;
    if (web === undefined) throw new Error('the sample has a service');
    const services = nasty.map((service) => ({ ...web, service }));
    const { body } = await new MetricsRegistry(() => ({ ...sample, services })).render();
    const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toBe('');
    expect(body).not.toMatch(/^vsnat_evil/m);
  });
});
