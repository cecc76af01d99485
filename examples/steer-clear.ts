// SPDX-License-Identifier: Apache-2.0
/**
 * A scheduler of one's own: least connections, but a server whose handshakes took more than twice the median of all, or
 * failed, when somebody was last sent there counts as eight times as busy. Named in vsnat.yaml by
 *
 *     scheduler: ./steer-clear.ts
 *     scheduler_options: { times: 8 }
 */
import type { CustomScheduler, SchedulerServer, ServerLoad } from 'vsnat';

interface Options {
  /** How much dearer a slow server is. */
  readonly times?: number;
}

const failedMs = 1000;

const idOf = ({ address, port }: SchedulerServer): string => `${address}:${port}`;

/** Since the last plan; null when nobody was sent there. */
const latencyOf = ({ handshake, handshakesFailed }: ServerLoad): number | null =>
  handshakesFailed > 0 ? failedMs : handshake.meanMs;

const scheduler: CustomScheduler<Options> = {
  name: 'steer-clear',
  replanEvery: 500,
  options: {
    type: 'object',
    additionalProperties: false,
    properties: { times: { type: 'integer', minimum: 1, maximum: 1000 } },
  },
  plan(servers, loads, { options: { times = 8 }, memory }) {
    for (const [index, load] of loads.entries()) {
      const latency = latencyOf(load);
      const server = servers[index];
      if (server !== undefined && latency !== null) memory.set(idOf(server), latency);
    }
    const here = new Set(servers.map(idOf)); // what is remembered has a bound, and servers come and go
    for (const id of memory.keys()) if (!here.has(id)) memory.delete(id);
    const latencies = servers.map((server) => memory.get(idOf(server)) as number | undefined);
    const known = latencies.filter((ms) => ms !== undefined).toSorted((a, b) => a - b);
    const median = known[Math.floor((known.length - 1) / 2)] ?? 0;
    return {
      kind: 'least',
      among: 'all',
      activeCost: 1,
      inactiveCost: 0,
      constant: 1,
      weighted: true,
      order: servers.flatMap(({ weight }, index) => (weight > 0 ? [index] : [])),
      factors: latencies.map((ms) => (ms !== undefined && ms > 2 * median ? times : 1)),
    };
  },
};
export default scheduler;
