// SPDX-License-Identifier: Apache-2.0
/** What a daemon could do, for tests of what stands before it. */
import type { AdminActions, DirectorStatus } from '../../../src/admin/api.js';
import { Events } from '../../../src/director/events.js';
import { Listing } from '../../../src/director/listing.js';
import { formatEndpoint } from '../../../src/model/index.js';
import { modelWith, web } from '../director/models.js';
import { pageOf, row } from './rows.js';

export const status: DirectorStatus = {
  generation: 3,
  adopted: true,
  services: 1,
  servers: 1,
  device: {
    name: 'vsnat0',
    index: 7,
    queues: 2,
    vnetHeader: true,
    checksumOffload: true,
    tso4: true,
    tso6: true,
    uso4: false,
    uso6: false,
    steering: 'client-endpoint',
    directEgress: true,
    directRefusal: null,
    directIngress: true,
    ingressRefusal: null,
    shortcuts: true,
    uring: false,
    uringRefusal: null,
  },
  ingress: { setting: 'auto', way: 'direct', reasons: [], interfaces: ['eth0'] },
  egress: { setting: 'auto', way: 'direct', reasons: [] },
  shortcuts: 2,
  flowTable: { capacity: 1024, flows: 3, expired: 0, evicted: 0, bytes: 131_072, templates: 0 },
  packets: { received: 9, forwarded: 7, passed: 1, generated: 0, dropped: { no_server: 1 } },
  reloads: {
    counts: { applied: 1, unchanged: 0, rejected: 0, failed: 0 },
    lastSuccessful: true,
    lastSuccessAt: 5,
    lastError: null,
  },
  metricsListen: null,
};

const nobody = (): never => {
  throw new Error('an empty list was asked for an item');
};

export function fakeActions(more: Partial<AdminActions> = {}): AdminActions {
  return {
    directorStatus: () => status,
    services: () => new Listing(0, () => '', nobody),
    connections: pageOf([row(1), row(2), row(3)]),
    explain: ({ protocol, client, to }) =>
      Promise.resolve({
        packet: `${protocol} ${formatEndpoint(client)} -> ${formatEndpoint(to)}`,
        verdict: 'passed',
        reason: null,
        service: null,
        basis: null,
        server: null,
        certain: true,
        steps: [],
        counts: [],
      }),
    reload: () => Promise.resolve({ result: 'unchanged', changes: [], revision: 1 }),
    table: () => Promise.resolve({ size: 1024, timeouts: { tcp: 900, tcpFin: 120, udp: 300 }, services: [] }),
    numbers: () => Promise.resolve(new Listing(0, () => '', nobody)),
    settled: () => Promise.resolve({ model: modelWith(web('a')), revision: 1, deviations: [] }),
    change: () => Promise.resolve({ changes: [], notes: [], dryRun: false, revision: 1 }),
    endConnections: () => Promise.resolve(0),
    health: () => [],
    events: () => new Events(() => 5),
    zero: () => undefined,
    ...more,
  };
}
