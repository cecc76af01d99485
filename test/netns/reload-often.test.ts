// SPDX-License-Identifier: Apache-2.0
/**
 * What `npm run bench -- reloads` measures, small enough to be asked every day. Where other work keeps all processors, the
 * kernel takes seconds for what a reload asks of it, so it is a hundred or as many as a minute has.
 */
import { expect, test } from 'vitest';
import { reloadConfig, reloadServers, reloadUnderTraffic } from './support/reloads.js';
import { suite, useLab } from './support/suite.js';

suite('reload after reload', () => {
  const lab = useLab({ servers: reloadServers });

  test('up to a hundred under two hundred connections lose no connection and no datagram', async () => {
    await lab().daemon.reload(reloadConfig(lab()));
    const outcome = await reloadUnderTraffic(lab(), {
      reloads: 100,
      patienceMs: 60_000,
      connections: 200,
      every: 0.2,
      rate: 1000,
    });
    expect(outcome, JSON.stringify(outcome)).toMatchObject({
      connections: 200,
      connectionsLost: 0,
      newConnectionsFailed: 0,
      datagramsLost: 0,
      droppedBy: {},
    });
    // A visitor's last segment may come after its server was taken out: nothing of a connection that goes on.
    expect(outcome.messages).toBeGreaterThan(200);
    expect(outcome.reloads).toBeGreaterThanOrEqual(5);
    expect(outcome.newConnections).toBe(20 * Math.floor(outcome.reloads / 5));
  }, 300_000);
});
