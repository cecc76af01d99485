// SPDX-License-Identifier: Apache-2.0
/** What the metrics tell of themselves: how much is left out to keep to `metrics.max_series`. */
import { details } from './detail.js';
import { single, type MetricDefinition } from './definition.js';

export const detailMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_metrics_detail',
    help: '1 for how much is told of services and servers, 0 for what would be more or less.',
    type: 'gauge',
    labels: ['detail'],
    series: ({ detail }) =>
      details.map((name) => ({ labels: { detail: name }, value: name === detail ? 1 : 0 })),
  },
  {
    name: 'vsnat_metrics_series_dropped',
    help: 'Series left out or added up to keep to metrics.max_series; 0 when all are told.',
    type: 'gauge',
    labels: [],
    series: ({ seriesDropped }) => single(seriesDropped),
  },
  {
    name: 'vsnat_metrics_series_limit',
    help: 'metrics.max_series.',
    type: 'gauge',
    labels: [],
    series: ({ settings }) => single(settings.maxSeries),
  },
];
