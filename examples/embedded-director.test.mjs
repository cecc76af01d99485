// SPDX-License-Identifier: Apache-2.0
/**
 * A director in a unit test: does our configuration send a client to the other server when one is drained? No root, no
 * device, no daemon. Run it with
 *
 *     node --test examples/embedded-director.test.mjs
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { Director, formatEndpoint, readPacket, tcpPacket } from 'vsnat';

const configuration = (weight) => `
services:
  - name: web
    listen: tcp://192.0.2.10:80
    scheduler: rr
    servers: [{ address: 10.0.0.1:8080, weight: ${weight} }, 10.0.0.2:8080]
`;
const director = Director.memory(configuration(1));
after(() => director.close());

/** The server that a client's connection goes to. */
function serverOf(client) {
  const { outputs } = director.process({ packet: tcpPacket(client, '192.0.2.10:80'), nowMs: 1000 });
  return formatEndpoint(readPacket(outputs[0].packet).destination);
}

test('both servers are used', () => {
  const servers = [1, 2, 3, 4].map((n) => serverOf(`198.51.100.${n}:40000`));
  assert.deepEqual(new Set(servers), new Set(['10.0.0.1:8080', '10.0.0.2:8080']));
});

test('a drained server keeps its clients and gets no new ones', async () => {
  const before = [1, 2, 3, 4].map((n) => serverOf(`198.51.100.${n}:40000`));
  await director.apply(configuration(0));
  assert.deepEqual(
    [1, 2, 3, 4].map((n) => serverOf(`198.51.100.${n}:40000`)),
    before,
  );
  for (const n of [5, 6, 7, 8]) assert.equal(serverOf(`198.51.100.${n}:40000`), '10.0.0.2:8080');
});
