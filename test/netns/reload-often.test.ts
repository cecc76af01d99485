// SPDX-License-Identifier: Apache-2.0
/** What `npm run bench -- reloads` measures, small enough to be asked every day. */
import { expect, test } from 'vitest';
import { reloadConfig, reloadServers, reloadUnderTraffic } from './support/reloads.js';
import { suite, useLab } from './support/suite.js';

suite('reload after reload', () => {
  const lab = useLab({ servers: reloadServers });

  test('a hundred under two hundred connections lose no connection and no datagram', async () => {
    await lab().daemon.reload(reloadConfig(lab()));
    const outcome = await reloadUnderTraffic(lab(), {
      reloads: 100,
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
    expect(outcome.newConnections).toBe(400);
  }, 240_000);
});
