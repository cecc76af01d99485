// SPDX-License-Identifier: Apache-2.0
/**
 * Virtual services and their real servers. Label values come from the configuration alone, so their number is bounded
 * by it, and what a reload removes disappears from the next scrape.
 */
import type { ServerReport, ServiceReport } from '../director/report.js';
import type { MetricDefinition, Sample, Series } from './definition.js';

function* perServer(
  { services }: Sample,
  series: (server: ServerReport) => readonly (readonly [value: number, direction?: string])[],
): Generator<Series> {
  for (const { service, servers } of services) {
    for (const server of servers) {
      for (const [value, direction] of series(server)) {
        const labels = { service, server: server.server };
        yield { labels: direction === undefined ? labels : { ...labels, direction }, value };
      }
    }
  }
}

function* perService({ services }: Sample, value: (service: ServiceReport) => number): Generator<Series> {
  for (const service of services) yield { labels: { service: service.service }, value: value(service) };
}

function* serviceInfo({ services }: Sample): Generator<Series> {
  for (const { service, scheduler, listen } of services) {
    for (const { address, port, protocol } of listen) {
      yield { labels: { service, vip: address, port: String(port), protocol, scheduler }, value: 1 };
    }
  }
}

const ofService = ['service'] as const;
const ofServer = ['service', 'server'] as const;
const ofServerDirection = ['service', 'server', 'direction'] as const;

export const serviceMetrics: readonly MetricDefinition[] = [
  {
    name: 'vsnat_service_info',
    help: 'Always 1; one series per address a virtual service listens on.',
    type: 'gauge',
    labels: ['service', 'vip', 'port', 'protocol', 'scheduler'],
    series: serviceInfo,
  },
  {
    name: 'vsnat_service_connections_total',
    help: 'Connections accepted for the virtual service.',
    type: 'counter',
    labels: ofService,
    series: (sample) => perService(sample, (service) => service.connections),
  },
  {
    name: 'vsnat_service_schedule_failures_total',
    help: 'New connections refused because no real server of the service could take them.',
    type: 'counter',
    labels: ofService,
    series: (sample) => perService(sample, (service) => service.scheduleFailures),
  },
  {
    name: 'vsnat_server_connections_total',
    help: 'Connections given to the real server.',
    type: 'counter',
    labels: ofServer,
    series: (sample) => perServer(sample, (server) => [[server.connections]]),
  },
  {
    name: 'vsnat_server_connections_active',
    help: 'Connections in an active state, as IPVS counts them (TCP: established).',
    type: 'gauge',
    labels: ofServer,
    series: (sample) => perServer(sample, (server) => [[server.active]]),
  },
  {
    name: 'vsnat_server_connections_inactive',
    help: 'Tracked connections in any other state: opening, closing, or UDP.',
    type: 'gauge',
    labels: ofServer,
    series: (sample) => perServer(sample, (server) => [[server.inactive]]),
  },
  {
    name: 'vsnat_server_persistent_clients',
    help: 'Client networks that persistence remembers this real server for.',
    type: 'gauge',
    labels: ofServer,
    series: (sample) => perServer(sample, (server) => [[server.persistent]]),
  },
  {
    name: 'vsnat_server_packets_total',
    help: 'Packets carried for the real server: in is from clients to it, out is its answers.',
    type: 'counter',
    labels: ofServerDirection,
    series: (sample) =>
      perServer(sample, (server) => [
        [server.inPackets, 'in'],
        [server.outPackets, 'out'],
      ]),
  },
  {
    name: 'vsnat_server_bytes_total',
    help: 'Bytes of those packets, IP headers included.',
    type: 'counter',
    labels: ofServerDirection,
    series: (sample) =>
      perServer(sample, (server) => [
        [server.inBytes, 'in'],
        [server.outBytes, 'out'],
      ]),
  },
  {
    name: 'vsnat_server_weight',
    help: 'Weight of the real server; 0 takes no new connections.',
    type: 'gauge',
    labels: ofServer,
    series: (sample) => perServer(sample, (server) => [[server.weight]]),
  },
  {
    name: 'vsnat_server_overloaded',
    help: '1 while the real server is above its connection threshold and takes no new connections.',
    type: 'gauge',
    labels: ofServer,
    series: (sample) => perServer(sample, (server) => [[server.overloaded ? 1 : 0]]),
  },
];
