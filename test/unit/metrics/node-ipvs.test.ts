// SPDX-License-Identifier: Apache-2.0
/** Against what node_exporter 1.5 writes of the same services; its order of labels is the alphabet's. */
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { MetricsRegistry } from '../../../src/metrics/registry.js';
import { busySample } from './sample.js';

async function nodeLines(nodeIpvs: boolean, mark: number | null = null): Promise<string[]> {
  const sample = busySample();
  const [web, dns] = sample.services;
  if (web === undefined || dns === undefined) throw new Error('the sample has two services');
  const dataplane = new FakeDataplane();
  dataplane.setServer(0, { connections: 5, inPackets: 50, inBytes: 500, outPackets: 40, outBytes: 4000 });
  dataplane.setServer(7, { connections: 1, inPackets: 2, inBytes: 3, outPackets: 4, outBytes: 5 });
  const { body } = await new MetricsRegistry(
    () => ({
      ...sample,
      counters: dataplane.counters(),
      services: mark === null ? [web, dns] : [{ ...web, mark }],
      settings: { maxSeries: 10_000, nodeIpvs },
    }),
    { processMetrics: false },
  ).render();
  return body.split('\n').filter((line) => line.includes('node_ipvs'));
}

const backends = [
  'local_address="10.9.0.1",local_mark="",local_port="80",proto="TCP",remote_address="10.2.1.2",remote_port="8080"',
  'local_address="10.9.0.1",local_mark="",local_port="80",proto="TCP",remote_address="10.2.2.2",remote_port="8080"',
  'local_address="10.9.0.2",local_mark="",local_port="80",proto="TCP",remote_address="10.2.1.2",remote_port="8080"',
  'local_address="10.9.0.2",local_mark="",local_port="80",proto="TCP",remote_address="10.2.2.2",remote_port="8080"',
  'local_address="2001:db8::1",local_mark="",local_port="53",proto="UDP",remote_address="2001:db8::2",remote_port="53"',
];

const gauge = (name: string, help: string, values: readonly number[]): string[] => [
  `# HELP node_ipvs_backend_${name} ${help}`,
  `# TYPE node_ipvs_backend_${name} gauge`,
  ...backends.map((labels, index) => `node_ipvs_backend_${name}{${labels}} ${values[index]}`),
];

describe('the names of the node exporter', () => {
  it('are given out on request only', async () => {
    expect(await nodeLines(false)).toEqual([]);
  });

  it('are its names, labels and sentences', async () => {
    expect(await nodeLines(true)).toEqual([
      '# HELP node_ipvs_connections_total The total number of connections made.',
      '# TYPE node_ipvs_connections_total counter',
      'node_ipvs_connections_total 6',
      '# HELP node_ipvs_incoming_packets_total The total number of incoming packets.',
      '# TYPE node_ipvs_incoming_packets_total counter',
      'node_ipvs_incoming_packets_total 52',
      '# HELP node_ipvs_outgoing_packets_total The total number of outgoing packets.',
      '# TYPE node_ipvs_outgoing_packets_total counter',
      'node_ipvs_outgoing_packets_total 44',
      '# HELP node_ipvs_incoming_bytes_total The total amount of incoming data.',
      '# TYPE node_ipvs_incoming_bytes_total counter',
      'node_ipvs_incoming_bytes_total 503',
      '# HELP node_ipvs_outgoing_bytes_total The total amount of outgoing data.',
      '# TYPE node_ipvs_outgoing_bytes_total counter',
      'node_ipvs_outgoing_bytes_total 4005',
      ...gauge(
        'connections_active',
        'The current active connections by local and remote address.',
        [3, 3, 3, 3, 3],
      ),
      ...gauge(
        'connections_inactive',
        'The current inactive connections by local and remote address.',
        [2, 2, 2, 2, 2],
      ),
      ...gauge('weight', 'The current backend weight by local and remote address.', [5, 0, 5, 0, 1]),
    ]);
  });

  it('call a mark by its number, and one service whatever it listens on', async () => {
    const lines = await nodeLines(true, 0x10001000);
    expect(lines.filter((line) => line.startsWith('node_ipvs_backend_weight{'))).toEqual([
      'node_ipvs_backend_weight{local_address="",local_mark="10001000",local_port="0",proto="FWM",remote_address="10.2.1.2",remote_port="8080"} 5',
      'node_ipvs_backend_weight{local_address="",local_mark="10001000",local_port="0",proto="FWM",remote_address="10.2.2.2",remote_port="8080"} 0',
    ]);
  });
});
