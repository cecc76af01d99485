// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import type { SnapshotSpec } from '../../../src/dataplane/dataplane.js';
import { FakeDataplane } from '../../../src/dataplane/fake.js';

const snapshot = (...slots: number[]): SnapshotSpec => ({
  removedServer: 'reset',
  services: slots.map((slot) => ({
    slot,
    listen: [],
    servers: [],
    plan: { kind: 'cycle', lead: [], loop: [] },
    timeouts: {} as SnapshotSpec['services'][number]['timeouts'],
  })),
});

describe('the fake dataplane', () => {
  it.each([[[0, 0]], [[-1]], [[16]], [[0.5]]])(
    'refuses service slots %j, as the native one does',
    (slots) => {
      const dataplane = new FakeDataplane();
      expect(() => dataplane.publish(snapshot(...slots))).toThrow(/service slot must be free and below 16/);
      expect(dataplane.published).toEqual([]);
    },
  );

  it('refuses every port without what holds its connections together, and single packets of TCP', () => {
    const dataplane = new FakeDataplane();
    const [service] = snapshot(0).services;
    if (service === undefined) throw new Error('no service');
    const publish = (protocol: 'tcp' | 'udp', port: number, more: Partial<typeof service>): number =>
      dataplane.publish({
        removedServer: 'reset',
        services: [{ ...service, listen: [{ protocol, address: '10.9.0.1', port }], ...more }],
      });
    const persistence = { timeoutSeconds: 60, prefixLength: 32 };
    expect(() => publish('tcp', 0, {})).toThrow(/every port needs persistence or a mark/);
    expect(() => publish('tcp', 80, { onePacket: true })).toThrow(/one packet needs udp/);
    expect(publish('tcp', 0, { persistence })).toBe(1);
    expect(publish('tcp', 80, { mark: 7, onePacket: true })).toBe(2);
  });

  it('refuses everything after close()', () => {
    const dataplane = new FakeDataplane();
    dataplane.close();
    dataplane.close();
    expect(() => dataplane.counters()).toThrow(/after close/);
    expect(() => dataplane.publish(snapshot())).toThrow(/after close/);
    expect(() => dataplane.flows(0, 1)).toThrow(/after close/);
  });

  it('restarts the cursor of a service with every snapshot but one that continues, as the contract says', () => {
    const dataplane = new FakeDataplane();
    dataplane.publish(snapshot(2));
    dataplane.setService(2, { cursor: 9, connections: 4 });
    dataplane.publish(snapshot(2));
    expect(dataplane.counters().services).toEqual([
      { slot: 2, connections: 4, scheduleFailures: 0, cursor: 0 },
    ]);
    dataplane.setService(2, { cursor: 5 });
    const { services, ...rest } = snapshot(2);
    dataplane.publish({ ...rest, services: services.map((service) => ({ ...service, continues: true })) });
    expect(dataplane.counters().services[0]?.cursor).toBe(5);
  });
});
