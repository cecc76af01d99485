// SPDX-License-Identifier: Apache-2.0
/**
 * 1,000 reloads under 2,000 connections that live through all of them, beside a stream of numbered datagrams and new
 * connections: how many of each are lost. Exit code 1 when it is any.
 *
 *   npm run bench -- reloads [--reloads 1000] [--connections 2000] [--every 0.5] [--rate 2000]
 */
import { parseArgs } from 'node:util';

import { Lab } from '../test/netns/support/lab.js';
import { sweepLeftovers } from '../test/netns/support/namespace.js';
import { reloadConfig, reloadServers, reloadUnderTraffic } from '../test/netns/support/reloads.js';

const { values } = parseArgs({
  options: {
    reloads: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '2000' },
    every: { type: 'string', default: '0.5' },
    rate: { type: 'string', default: '2000' },
  },
});

await sweepLeftovers();
const lab = await Lab.create({ servers: reloadServers });
try {
  await lab.daemon.reload(reloadConfig(lab));
  const it = await reloadUnderTraffic(lab, {
    reloads: Number(values.reloads),
    connections: Number(values.connections),
    every: Number(values.every),
    rate: Number(values.rate),
    onReload: (done) => {
      if (done % 100 === 0) console.error(`${done} reloads`);
    },
  });
  const times = [...it.milliseconds].sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(share * (times.length - 1))] ?? NaN).toFixed(1);
  console.log(
    `${it.reloads} reloads, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms from the question to the answer`,
  );
  console.log(
    `connections ${it.connections}, lost ${it.connectionsLost}; messages there and back ${it.messages}`,
  );
  console.log(`new connections ${it.newConnections}, failed ${it.newConnectionsFailed}`);
  console.log(
    `datagrams ${it.datagrams}, lost ${it.datagramsLost}; packets dropped by the director ${it.dropped} ${JSON.stringify(it.droppedBy)}`,
  );
  console.log(
    `segments sent twice ${it.retransmitted}; longest wait for an answer ${(it.longestSeconds * 1000).toFixed(0)} ms`,
  );
  const lost = it.connectionsLost + it.newConnectionsFailed + it.datagramsLost + it.dropped;
  if (lost > 0 || it.connections < Number(values.connections)) {
    console.log(`lost: ${JSON.stringify(it.errors)}`);
    process.exitCode = 1;
  }
} finally {
  await lab.close();
}
