// SPDX-License-Identifier: Apache-2.0
/**
 * The names of Prometheus' node exporter (its ipvs collector), for dashboards and alerts made for the kernel's IPVS. Names,
 * labels and sentences are the exporter's. Given out with `metrics.node_ipvs: true`.
 */
import type { ServerTotals } from '../dataplane/dataplane.js';
import type { Labels, MetricDefinition, Told } from './definition.js';
import type { Backend } from './detail.js';

/** The totals of all services, as /proc/net/ip_vs_stats has them: what is gone is still counted. */
function total(name: string, help: string, value: (totals: ServerTotals) => number): MetricDefinition {
  return {
    name: `node_ipvs_${name}`,
    help,
    type: 'counter',
    labels: [],
    series: ({ counters, settings }) =>
      settings.nodeIpvs ? [{ labels: {}, value: value(counters.totals) }] : [],
  };
}

const backendLabels = [
  'local_address',
  'local_mark',
  'local_port',
  'proto',
  'remote_address',
  'remote_port',
] as const;

function labelsOf({ service, listen, server }: Backend): Labels {
  const { mark } = service;
  const colon = server.server.lastIndexOf(':');
  return {
    local_address: mark === null ? listen.address : '',
    local_mark: mark === null ? '' : mark.toString(16).toUpperCase().padStart(8, '0'),
    local_port: mark === null ? String(listen.port) : '0',
    proto: mark === null ? listen.protocol.toUpperCase() : 'FWM',
    remote_address: server.server.slice(0, colon).replace(/^\[|\]$/g, ''),
    remote_port: server.server.slice(colon + 1),
  };
}

function backend(name: string, help: string, value: (backend: Backend) => number): MetricDefinition {
  return {
    name: `node_ipvs_backend_${name}`,
    help,
    type: 'gauge',
    labels: backendLabels,
    rows: 'backends',
    series: ({ view }: Told) => view.backends.map((one) => ({ labels: labelsOf(one), value: value(one) })),
  };
}

export const nodeIpvsMetrics: readonly MetricDefinition[] = [
  total('connections_total', 'The total number of connections made.', ({ connections }) => connections),
  total('incoming_packets_total', 'The total number of incoming packets.', ({ inPackets }) => inPackets),
  total('outgoing_packets_total', 'The total number of outgoing packets.', ({ outPackets }) => outPackets),
  total('incoming_bytes_total', 'The total amount of incoming data.', ({ inBytes }) => inBytes),
  total('outgoing_bytes_total', 'The total amount of outgoing data.', ({ outBytes }) => outBytes),
  backend(
    'connections_active',
    'The current active connections by local and remote address.',
    ({ server }) => server.active,
  ),
  backend(
    'connections_inactive',
    'The current inactive connections by local and remote address.',
    ({ server }) => server.inactive,
  ),
  backend('weight', 'The current backend weight by local and remote address.', ({ server }) => server.weight),
];
