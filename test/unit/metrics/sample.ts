// SPDX-License-Identifier: Apache-2.0
/** A sample as busy as one from a real daemon: two services, two queues, something in every counter. */
import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { latencyBounds, type Histogram, type ServerSignals } from '../../../src/dataplane/signals.js';
import type { ServerReport } from '../../../src/director/report.js';
import type { HealthFacts } from '../../../src/health/state.js';
import { noFailures } from '../../../src/health/tally.js';
import type { Sample } from '../../../src/metrics/definition.js';

/** Three samples in the fastest bucket, one in the one of a second, and one beyond all. */
const latency: Histogram = {
  counts: [...latencyBounds, Infinity].map((bound) =>
    bound === 0.0001 ? 3 : bound === 1 || bound === Infinity ? 1 : 0,
  ),
  count: 5,
  sum: 21.5,
};

const signals: ServerSignals = {
  handshake: latency,
  firstByte: latency,
  handshakesAmbiguous: 6,
  firstBytesAmbiguous: 7,
  synRepeated: 8,
  synUnanswered: 9,
  handshakesRefused: 10,
  resets: 11,
  unreachable: 12,
  retransmissionsIn: 13,
  retransmissionsOut: 14,
};

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
  signals,
});

const health: HealthFacts = {
  probes: 3,
  running: 1,
  queued: 0,
  failures: { ...noFailures(), status: 14, no_way: 2 },
  // Two checks of one kind of the second.
  totals: ['10.2.1.2:8080', '10.2.2.2:8080', '10.2.2.2:8080'].map((of) => ({
    service: 'web',
    server: of,
    kind: 'http',
    good: 100,
    bad: 5,
    skipped: 1,
  })),
  durations: [{ service: 'web', kind: 'http', counts: [10, 0, 0, 1], sum: 0.5 }],
  transitions: [{ service: 'web', server: '10.2.1.2:8080', up: 2, down: 1, suspected: 3 }],
};

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
      times: { counts: [0, 1, 2, 0, 0, 0, 0, 1], sum: 12.5 },
    },
    publishes: {
      count: 9,
      lastSeconds: 0.0125,
      lastSwapSeconds: 0.004,
      times: { counts: [0, 0, 9, 0, 0, 0, 0, 0], sum: 0.1125 },
      swapTimes: { counts: [0, 9, 0, 0, 0, 0, 0, 0], sum: 0.036 },
    },
    generation: 4,
    deviations: 6,
    counters: dataplane.counters(),
    admin: {
      requests: [{ route: 'GET /v1/status', code: 200, count: 3 }],
      times: [{ route: 'GET /v1/status', counts: [1, 1, 0, 0, 1, 0, 0, 0], sum: 0.5 }],
      rejected: [{ reason: 'token', count: 2 }],
      streams: 1,
      streamsDropped: 0,
    },
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
        planFailures: null,
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
        connections: 40,
        scheduleFailures: 0,
        planFailures: null,
        quorum: 'lost',
        servers: [server('[2001:db8::2]:53', 1)],
      },
    ],
    health,
    settings: { maxSeries: 10_000, nodeIpvs: false },
  };
}
