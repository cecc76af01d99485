// SPDX-License-Identifier: Apache-2.0
/** The defences against floods: which are on, and what they and their kin have ended. */
import { defences } from '../director/defence.js';
import { single, type MetricDefinition, type Sample, type Series } from './definition.js';

const pageBytes = 4096;

function* flowsDropped({ counters }: Sample): Generator<Series> {
  for (const { queue, entriesDropped, orphansEnded, flowsEnded } of counters.queues) {
    yield { labels: { queue: String(queue), cause: 'drop_entry' }, value: entriesDropped };
    yield { labels: { queue: String(queue), cause: 'expire_nodest_conn' }, value: orphansEnded };
    yield { labels: { queue: String(queue), cause: 'operator' }, value: flowsEnded };
  }
}

export const defenceMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_defence_active',
    help: '1 while the defence is on, by its own mode or because memory is short.',
    type: 'gauge',
    labels: ['defence'],
    series: ({ defence }) =>
      defences.map((name) => ({ labels: { defence: name }, value: defence.modes[name] >= 2 ? 1 : 0 })),
  },
  {
    name: 'vsnat_defence_drop_rate',
    help: 'drop_packet drops one new connection in this many; 0 is none.',
    type: 'gauge',
    labels: [],
    series: ({ defence }) => single(defence.dropRate),
  },
  {
    name: 'vsnat_defence_memory_available_bytes',
    help: 'Free memory and buffers of the host as last seen; only while an automatic mode is configured.',
    type: 'gauge',
    labels: [],
    series: ({ defence }) =>
      defence.availablePages === null ? [] : single(defence.availablePages * pageBytes),
  },
  {
    name: 'vsnat_flows_dropped_total',
    help: 'Connections forgotten early, by what caused it: drop_entry or expire_nodest_conn, the settings; operator, on request or at the deadline of a drain.',
    type: 'counter',
    labels: ['queue', 'cause'],
    series: flowsDropped,
  },
];
