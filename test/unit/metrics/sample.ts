// SPDX-License-Identifier: Apache-2.0
/** A sample as busy as one from a real daemon: two services, two queues, something in every counter. */
import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { noSignals } from '../../../src/dataplane/signals.js';
import type { ServerReport } from '../../../src/director/report.js';
import type { Sample } from '../../../src/metrics/definition.js';

const server = (address: string, weight: number): ServerReport => ({
  server: address,
  weight,
  standing: {
    place: weight === 0 ? 'draining' : 'serving',
    health: 'up',
    healthSeconds: 60,
    share: 1,
    effectiveWeight: weight,
    drainSeconds: weight === 0 ? 30 : null,
  },
  active: 3,
  inactive: 2,
  persistent: 1,
  overloaded: weight === 0,
  connections: 40,
  inPackets: 400,
  inBytes: 40_000,
  outPackets: 300,
  outBytes: 900_000,
  signals: noSignals,
});

export function busySample(): Sample {
  const dataplane = new FakeDataplane({ queues: 2 });
  for (const queue of [0, 1]) {
    dataplane.setQueue(queue, {
      rxPackets: 100,
      rxBytes: 10_000,
      forwarded: 80,
      passed: 15,
      dropped: { truncated: 2, no_server: 3 },
      generated: { tcp_reset: 3, echo_reply: 1 },
      txPackets: 98,
      txBytes: 9_900,
      txFailed: 1,
      busyNanoseconds: 1_500_000_000,
      entriesDropped: 6,
      orphansEnded: 7,
      generation: 4,
    });
  }
  dataplane.setFlowTable({ flows: 10, expired: 5, evicted: 1 });
  return {
    build: { version: '0.1.0', node: '20.20.2', addonAbi: 1 },
    facts: dataplane.facts,
    reloads: {
      counts: { applied: 2, unchanged: 1, rejected: 1, failed: 0 },
      lastSuccessful: false,
      lastSuccessAt: 1_763_000_000_000,
      lastError: 'vsnat.yaml:1:1: …',
    },
    generation: 4,
    counters: dataplane.counters(),
    defence: {
      modes: { drop_entry: 0, drop_packet: 2, secure_tcp: 3 },
      dropRate: 4,
      availablePages: 768,
    },
    services: [
      {
        service: 'web',
        listen: [
          { protocol: 'tcp', address: '10.9.0.1', port: 80 },
          { protocol: 'tcp', address: '10.9.0.2', port: 80 },
        ],
        scheduler: 'wrr',
        persistence: { timeoutSeconds: 360, prefixLength: 32 },
        mark: null,
        onePacket: false,
        connections: 80,
        scheduleFailures: 1,
        quorum: 'met',
        servers: [server('10.2.1.2:8080', 5), server('10.2.2.2:8080', 0)],
      },
      {
        service: 'dns "v6"\\',
        listen: [{ protocol: 'udp', address: '2001:db8::1', port: 53 }],
        scheduler: 'rr',
        persistence: null,
        mark: null,
        onePacket: false,
        connections: 0,
        scheduleFailures: 0,
        quorum: 'lost',
        servers: [server('[2001:db8::2]:53', 1)],
      },
    ],
  };
}
