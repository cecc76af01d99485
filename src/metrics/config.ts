// SPDX-License-Identifier: Apache-2.0
/** What runs: the build, and how the configuration came to be. */
import { reloadResults } from '../director/reload.js';
import { workBounds, type WorkTimes } from '../director/durations.js';
import { single, type HistogramDefinition, type MetricDefinition, type Sample } from './definition.js';

const times = (name: string, help: string, of: (sample: Sample) => WorkTimes): HistogramDefinition => ({
  name,
  help,
  type: 'histogram',
  labels: [],
  bounds: workBounds,
  series: (sample) => [{ labels: {}, ...of(sample) }],
});

export const configMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_build_info',
    help: 'Always 1; the labels name the running build.',
    type: 'gauge',
    labels: ['version', 'node', 'addon_abi'],
    series: ({ build }) => [
      { labels: { version: build.version, node: build.node, addon_abi: String(build.addonAbi) }, value: 1 },
    ],
  },
  {
    name: 'vsnat_config_last_reload_successful',
    help: '1 when the last attempt to load the configuration succeeded, 0 when it was refused and the old one runs on.',
    type: 'gauge',
    labels: [],
    series: ({ reloads }) => single(reloads.lastSuccessful ? 1 : 0),
  },
  {
    name: 'vsnat_config_last_reload_success_timestamp_seconds',
    help: 'When the running configuration was loaded, in Unix time.',
    type: 'gauge',
    labels: [],
    series: ({ reloads }) => single(reloads.lastSuccessAt / 1000),
  },
  {
    name: 'vsnat_config_reloads_total',
    help: 'Attempts to load the configuration after the start: applied, unchanged, rejected (mistakes in it) or failed (the host refused it).',
    type: 'counter',
    labels: ['result'],
    series: ({ reloads }) =>
      reloadResults.map((result) => ({ labels: { result }, value: reloads.counts[result] })),
  },
  times(
    'vsnat_config_reload_seconds',
    'How long attempts to load the configuration took, from reading the file to what came of it.',
    ({ reloads }) => reloads.times,
  ),
  {
    name: 'vsnat_config_generation',
    help: 'Generation of the snapshot published last. A queue that lags shows a lower vsnat_queue_generation.',
    type: 'gauge',
    labels: [],
    series: ({ generation }) => single(generation),
  },
  {
    name: 'vsnat_config_run_time_changes',
    help: 'Differences between what runs and the last file, made at run time; GET /v1/changes and vsnat changes list them.',
    type: 'gauge',
    labels: [],
    series: ({ deviations }) => single(deviations),
  },
  {
    name: 'vsnat_config_publishes_total',
    help: 'Snapshots published: at the start, by reloads and changes, and when health or a slow start moves weights.',
    type: 'counter',
    labels: [],
    series: ({ publishes }) => single(publishes.count),
  },
  times(
    'vsnat_config_publish_seconds',
    'How long publishing a snapshot took: compiled, handed over, and in use by every queue.',
    ({ publishes }) => publishes.times,
  ),
  times(
    'vsnat_config_swap_seconds',
    'Of that, from the moment the first queue was told until all worked with it.',
    ({ publishes }) => publishes.swapTimes,
  ),
  {
    name: 'vsnat_config_last_publish_seconds',
    help: 'How long the last one took: compiled, handed over, and in use by every queue.',
    type: 'gauge',
    labels: [],
    series: ({ publishes }) => single(publishes.lastSeconds),
  },
  {
    name: 'vsnat_config_last_swap_seconds',
    help: 'Of that, from the moment the first queue was told until all worked with it.',
    type: 'gauge',
    labels: [],
    series: ({ publishes }) => single(publishes.lastSwapSeconds),
  },
];
