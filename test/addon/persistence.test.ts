// SPDX-License-Identifier: Apache-2.0
/** Persistence as the control side sees it: counts, and templates in the listing. */
import { describe, expect, it } from 'vitest';

import type { SnapshotSpec } from '../../src/dataplane/dataplane.js';
import { addon, countersOf, memoryOptions, oneService, syn } from './support.js';

const open = (
  more: Partial<SnapshotSpec['services'][number]>,
  replies: 'translate' | 'pass' = 'translate',
) => {
  const engine = new addon.Engine(memoryOptions);
  const services = oneService.services.map((service) => ({ ...service, ...more }));
  engine.publish({ ...oneService, services, onePacketReplies: replies, expireQuiescentTemplate: false });
  return engine;
};

/** Everything the engine remembers, in pages of `limit`. */
function listed(engine: ReturnType<typeof open>, limit: number) {
  const rows = [];
  for (let cursor: number | null = 0; cursor !== null;) {
    const page = engine.flows(cursor, limit);
    rows.push(...page.rows);
    cursor = page.next;
  }
  return rows;
}

describe('a persistent service', () => {
  const persistence = { timeoutSeconds: 360, prefixLength: 24 };

  it('lists its templates behind its connections, a page at a time', () => {
    const engine = open({ persistence });
    for (const port of [1000, 1001])
      engine.process({ packet: syn('198.51.100.7', port, '192.0.2.10', 80), nowMs: 0 });
    const rows = listed(engine, 1);
    expect(rows.map(({ state, clientAddress, clientPort }) => [state, clientAddress, clientPort])).toEqual([
      ['SYN_RECV', '198.51.100.7', 1000],
      ['SYN_RECV', '198.51.100.7', 1001],
      ['NONE', '198.51.100.0', 0],
    ]);
    expect(rows[2]).toMatchObject({
      protocol: 'tcp',
      expiresInSeconds: 360,
      virtualAddress: '192.0.2.10',
      virtualPort: 80,
      realAddress: '10.0.0.1',
      realPort: 8080,
    });
    engine.close();
  });

  it('goes by a mask with holes', () => {
    const engine = open({ persistence: { timeoutSeconds: 360, prefixLength: 0, mask: '0.0.255.1' } });
    for (const [client, port] of [
      ['198.51.100.7', 1000],
      ['203.0.100.9', 1001],
      ['198.51.100.8', 1002],
    ] as const)
      engine.process({ packet: syn(client, port, '192.0.2.10', 80), nowMs: 0 });
    const templates = listed(engine, 100).filter(({ clientPort }) => clientPort === 0);
    expect(templates.map(({ clientAddress }) => clientAddress).sort()).toEqual(['0.0.100.0', '0.0.100.1']);
    engine.close();
  });

  it('counts templates beside connections, not among them', () => {
    const engine = open({ persistence });
    engine.process({ packet: syn('198.51.100.7', 1000, '192.0.2.10', 80), nowMs: 0 });
    expect(countersOf(engine)).toMatchObject({
      servers: [
        { slot: 0, active: 1, inactive: 0, persistent: 1, connections: 1 },
        { slot: 1, persistent: 0 },
      ],
      flowTable: { flows: 1, templates: 1 },
    });
    engine.expire(1_000_000);
    engine.expire(2_000_000);
    expect(countersOf(engine)).toMatchObject({
      servers: [{ persistent: 0 }, {}],
      flowTable: { templates: 0 },
    });
    engine.close();
  });

  it('goes on counting for a removed server while a client is remembered for it', () => {
    const engine = open({ persistence });
    engine.process({ packet: syn('198.51.100.7', 1000, '192.0.2.10', 80), nowMs: 0 });
    engine.publish({ ...oneService, services: [] });
    engine.expire(61_000);
    expect(countersOf(engine).servers).toMatchObject([{ slot: 0, active: 0, persistent: 1 }]);
    engine.expire(361_000);
    // Nothing is left of the client; what the slot has counted is told for as long as the process lives.
    expect(countersOf(engine).servers).toMatchObject([{ slot: 0, active: 0, persistent: 0, connections: 1 }]);
    engine.close();
  });

  it('shows the template of a mark as the kernel does: protocol IP, and the mark where the VIP would be', () => {
    const engine = open({
      persistence,
      mark: 7,
      listen: [{ protocol: 'tcp', address: '192.0.2.10', port: 0 }],
    });
    engine.process({ packet: syn('198.51.100.7', 1000, '192.0.2.10', 443), nowMs: 0 });
    expect(engine.flows(0, 10).rows).toMatchObject([{ virtualPort: 443, realPort: 443 }]);
    expect(engine.flows(2 * 2 ** 32, 10).rows).toMatchObject([
      { protocol: 'ip', virtualAddress: '0.0.0.7', virtualPort: 0, realPort: 0 },
    ]);
    engine.close();
  });
});
