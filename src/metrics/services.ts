// SPDX-License-Identifier: Apache-2.0
/**
 * Virtual services and their real servers. Label values come from the configuration alone, so their number is bounded
 * by it, and what a reload removes disappears from the next scrape.
 */
import type { MetricDefinition, Series, Told } from './definition.js';
import { numberOf, ofServer, ofService, splitOf } from './rows.js';

const ofServerDirection = [...ofServer, 'direction'];

function* serviceInfo({ view }: Told): Generator<Series> {
  for (const { service, listen } of view.listeners) {
    const { address, port, protocol } = listen;
    const labels = { service: service.service, vip: address, port: String(port), protocol };
    yield { labels: { ...labels, scheduler: service.scheduler }, value: 1 };
  }
}

export const serviceMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_service_info',
    help: 'Always 1; one series per address a virtual service listens on.',
    type: 'gauge',
    labels: ['service', 'vip', 'port', 'protocol', 'scheduler'],
    rows: 'listeners',
    series: serviceInfo,
  },
  numberOf(
    'services',
    'vsnat_service_connections_total',
    'Connections accepted for the virtual service.',
    'counter',
    ofService,
    ({ connections }) => connections,
  ),
  numberOf(
    'services',
    'vsnat_service_schedule_failures_total',
    'New connections refused because no real server of the service could take them.',
    'counter',
    ofService,
    ({ scheduleFailures }) => scheduleFailures,
  ),
  splitOf(
    'services',
    'vsnat_scheduler_failures_total',
    'Plans that a custom scheduler failed to make, by why; the last good plan stayed. docs/schedulers.md explains each reason.',
    'counter',
    [...ofService, 'reason'],
    {
      threw: ({ planFailures }) => planFailures.threw,
      invalid: ({ planFailures }) => planFailures.invalid,
      timeout: ({ planFailures }) => planFailures.timeout,
      ended: ({ planFailures }) => planFailures.ended,
    },
  ),
  numberOf(
    'services',
    'vsnat_service_quorum_lost',
    '1 while too few servers can serve and the sorry servers, where there are any, do it.',
    'gauge',
    ofService,
    ({ quorumsLost }) => quorumsLost,
  ),
  numberOf(
    'servers',
    'vsnat_server_connections_total',
    'Connections given to the real server.',
    'counter',
    ofServer,
    ({ connections }) => connections,
  ),
  numberOf(
    'servers',
    'vsnat_server_connections_active',
    'Connections in an active state, as IPVS counts them (TCP: established).',
    'gauge',
    ofServer,
    ({ active }) => active,
  ),
  numberOf(
    'servers',
    'vsnat_server_connections_inactive',
    'Tracked connections in any other state: opening, closing, or UDP.',
    'gauge',
    ofServer,
    ({ inactive }) => inactive,
  ),
  numberOf(
    'servers',
    'vsnat_server_persistent_clients',
    'Client networks that persistence remembers this real server for.',
    'gauge',
    ofServer,
    ({ persistent }) => persistent,
  ),
  splitOf(
    'servers',
    'vsnat_server_packets_total',
    'Packets carried for the real server: in is from clients to it, out is its answers.',
    'counter',
    ofServerDirection,
    { in: ({ inPackets }) => inPackets, out: ({ outPackets }) => outPackets },
  ),
  splitOf(
    'servers',
    'vsnat_server_bytes_total',
    'Bytes of those packets, IP headers included.',
    'counter',
    ofServerDirection,
    { in: ({ inBytes }) => inBytes, out: ({ outBytes }) => outBytes },
  ),
  numberOf(
    'servers',
    'vsnat_server_weight',
    'Weight of the real server as desired; 0 takes no new connections.',
    'gauge',
    ofServer,
    ({ weight }) => weight,
  ),
  numberOf(
    'servers',
    'vsnat_server_effective_weight',
    'Weight it works with: what health, slow start, an agent and the operator leave of the desired one.',
    'gauge',
    ofServer,
    ({ effectiveWeight }) => effectiveWeight,
  ),
  numberOf(
    'servers',
    'vsnat_server_draining',
    '1 while the real server is drained or disabled and still has connections.',
    'gauge',
    ofServer,
    ({ draining }) => draining,
  ),
  numberOf(
    'servers',
    'vsnat_server_overloaded',
    '1 while the real server is above its connection threshold and takes no new connections.',
    'gauge',
    ofServer,
    ({ overloaded }) => overloaded,
  ),
];
