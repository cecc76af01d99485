// SPDX-License-Identifier: Apache-2.0
/** Health checks: what they found, how long they took, and what has become of the servers because of them. */
import { failureReasonNames } from '../health/reason.js';
import { durationBounds } from '../health/state.js';
import { single, type HistogramSeries, type MetricDefinition, type Series, type Told } from './definition.js';
import { labelsOf, numberOf, ofServer, rowText, splitOf } from './rows.js';

/** Servers nobody checks have no series: neither up nor down would be true. */
function* up({ view }: Told): Generator<Series> {
  for (const row of view.servers) {
    const { checked, up: value } = row.sum;
    if (checked > 0) yield { labels: labelsOf(row, ofServer), labelText: rowText(row, ofServer), value };
  }
}

const ofDurations = ['service', 'kind'] as const;

function* durations({ view }: Told): Generator<HistogramSeries> {
  for (const row of view.durations) {
    const { counts, sum } = row.sum;
    yield { labels: labelsOf(row, ofDurations), counts, sum };
  }
}

export const healthMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_server_up',
    help: '1 while its health checks find the real server well, 0 while they do not; none where nobody checks.',
    type: 'gauge',
    labels: ofServer,
    rows: 'servers',
    series: up,
  },
  splitOf(
    'transitions',
    'vsnat_server_health_changes_total',
    'Times the real server came up or went down.',
    'counter',
    [...ofServer, 'to'],
    { up: (server) => server.up, down: (server) => server.down },
  ),
  numberOf(
    'transitions',
    'vsnat_server_suspicions_total',
    'Times the real server became suspect: what its clients met had it checked sooner.',
    'counter',
    ofServer,
    (server) => server.suspected,
  ),
  splitOf(
    'checks',
    'vsnat_health_checks_total',
    'Health checks by what they found; skipped, this host itself could not ask.',
    'counter',
    [...ofServer, 'kind', 'result'],
    { good: ({ good }) => good, bad: ({ bad }) => bad, skipped: ({ skipped }) => skipped },
  ),
  {
    name: 'vsnat_health_failures_total',
    help: 'Checks that were bad or skipped, by why; docs/health.md explains each. One that services share counts once.',
    type: 'counter',
    labels: ['reason'],
    series: ({ health }) =>
      failureReasonNames.map((reason) => ({ labels: { reason }, value: health?.failures[reason] ?? 0 })),
  },
  {
    name: 'vsnat_health_check_seconds',
    help: 'How long health checks took to be answered or given up.',
    type: 'histogram',
    labels: ofDurations,
    bounds: durationBounds,
    rows: 'durations',
    series: durations,
  },
  {
    name: 'vsnat_health_probes',
    help: 'Questions asked regularly; services that share a server and its check share one.',
    type: 'gauge',
    labels: [],
    series: ({ health }) => single(health?.probes ?? 0),
  },
  {
    name: 'vsnat_health_probes_running',
    help: 'Of those, under way now.',
    type: 'gauge',
    labels: [],
    series: ({ health }) => single(health?.running ?? 0),
  },
  {
    name: 'vsnat_health_probes_queued',
    help: 'Of those, due and waiting, because too many are under way.',
    type: 'gauge',
    labels: [],
    series: ({ health }) => single(health?.queued ?? 0),
  },
  {
    name: 'vsnat_health_connections_total',
    help: 'Connections of health checks through a VIP, led to the server under test; in no service’s or server’s numbers.',
    type: 'counter',
    labels: [],
    series: ({ counters }) => single(counters.checks.connections),
  },
  {
    name: 'vsnat_health_packets_total',
    help: 'Packets of those connections: in is to servers, out is their answers.',
    type: 'counter',
    labels: ['direction'],
    series: ({ counters: { checks } }) => [
      { labels: { direction: 'in' }, value: checks.inPackets },
      { labels: { direction: 'out' }, value: checks.outPackets },
    ],
  },
  {
    name: 'vsnat_health_connections',
    help: 'Of those, tracked now; part of vsnat_flows.',
    type: 'gauge',
    labels: [],
    series: ({ counters }) => single(counters.checks.flows),
  },
];
