// SPDX-License-Identifier: Apache-2.0
/** What is measured. Every load is bounded by time, and a load that lost anything is a failure, not a slow sample. */
import { load } from '../test/netns/support/load.js';
import type { Namespace } from '../test/netns/support/namespace.js';
import type { Service } from './contenders.js';

export interface Load {
  readonly name: string;
  readonly unit: string;
  readonly service: Service;
  run(client: Namespace, to: string, seconds: number): Promise<number>;
}

/** `verify: no`: regenerating the stream costs CPU the path would use; the tests have verified every byte already. */
const bulk = (streams: number): Load => ({
  name: `bulk TCP, ${streams} stream${streams === 1 ? '' : 's'}`,
  unit: 'Gbit/s',
  service: 'stream',
  async run(client, to, seconds) {
    const result = await load(client, 'stream', { to, streams, seconds, verify: 'no' });
    if (result.failed > 0) throw new Error(`streams failed: ${JSON.stringify(result.errors)}`);
    return result.gbitPerSecond;
  },
});

const http = (name: string, unit: string, mode: 'connect' | 'keepalive'): Load => ({
  name,
  unit,
  service: 'http',
  async run(client, to, seconds) {
    const result = await load(client, 'http', { to, mode, connections: 32, seconds });
    if (result.failed > 0) throw new Error(`requests failed: ${JSON.stringify(result.errors)}`);
    return result.perSecond;
  },
});

export const loads: readonly Load[] = [
  bulk(1),
  bulk(4),
  http('connect, request, close', '1/s', 'connect'),
  http('HTTP keep-alive', 'requests/s', 'keepalive'),
];
