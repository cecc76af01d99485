// SPDX-License-Identifier: Apache-2.0
/**
 * peak-ewma: of two servers drawn at random, the one where this connection would wait less. A server's wait is its
 * measured latency, averaged over time but following peaks at once, times the connections it has and one more
 * (Finagle's load metric: twitter/finagle, finagle-core/src/main/scala/com/twitter/finagle/loadbalancer/PeakEwma.scala).
 *
 * Finagle sees every answer; here the dataplane measures, and once in `replanEvery` the averages become the factors of a
 * least plan. In between the live connections speak: they are counted at every pick.
 */
import type { CustomScheduler, Latency, SchedulerServer, ServerLoad } from '../model/custom-scheduler.js';
import type { LeastPlan } from '../model/plan.js';
import { serverId } from '../model/service.js';
import { greatestFactor } from './check-plan.js';
import { usableInOrder } from './load.js';

/** `scheduler_options` of peak-ewma. */
export interface PeakEwmaOptions {
  /** handshake: SYN to SYN-ACK, network and kernel; first-byte: request to first byte of the answer, the program too. */
  readonly signal?: 'handshake' | 'first-byte';
  /** Time constant of the average: after as long, a peak has sunk to 37 %. */
  readonly decay_ms?: number;
  /** Lower latencies count as this much: the differences between two idle servers mean nothing. */
  readonly floor_ms?: number;
  /** A handshake that was refused or never answered counts as one that took so long. */
  readonly penalty_ms?: number;
}

const milliseconds = (most: number) => ({ type: 'number', exclusiveMinimum: 0, maximum: most }) as const;

/** The shorter wait of two drawn at random, by measured latency, `scheduler: peak-ewma`; docs/schedulers.md. */
export const peakEwma: CustomScheduler<PeakEwmaOptions> = {
  name: 'peak-ewma',
  replanEvery: 500,
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      signal: { enum: ['handshake', 'first-byte'] },
      decay_ms: milliseconds(3_600_000),
      floor_ms: milliseconds(60_000),
      penalty_ms: milliseconds(60_000),
    },
  },
  plan(servers, loads, { options, nowMs, memory, protocols }): LeastPlan {
    const before = (memory.get('averages') ?? new Map()) as ReadonlyMap<string, number>;
    const elapsedMs = nowMs - ((memory.get('at') as number | undefined) ?? nowMs);
    const averages = new Map(
      servers.flatMap((server, index): [string, number][] => {
        const average = averageOf(before.get(serverId(server)), loads[index], elapsedMs, options);
        return average === undefined ? [] : [[serverId(server), average]];
      }),
    );
    memory.set('averages', averages).set('at', nowMs);
    const isDatagrams = protocols.every((protocol) => protocol === 'udp');
    return {
      kind: 'least',
      among: 'two-distinct',
      activeCost: 1,
      inactiveCost: isDatagrams ? 1 : 0, // UDP connections are never active
      constant: 1,
      weighted: true,
      order: usableInOrder(servers),
      factors: factorsOf(servers, averages, options.floor_ms ?? 1),
    };
  },
};

/** undefined: nothing is known yet. */
function averageOf(
  before: number | undefined,
  load: ServerLoad | undefined,
  elapsedMs: number,
  options: PeakEwmaOptions,
): number | undefined {
  const sample = sampleOf(load, options);
  if (before === undefined) return sample;
  const kept = Math.exp(-elapsedMs / (options.decay_ms ?? 10_000));
  // Nobody was sent there, so nothing was learnt: it sinks until somebody tries again.
  if (sample === undefined) return (load?.newConnections ?? 0) > 0 ? before : before * kept;
  return sample > before ? sample : before * kept + sample * (1 - kept);
}

function sampleOf(load: ServerLoad | undefined, options: PeakEwmaOptions): number | undefined {
  if (load === undefined) return undefined;
  const { count, meanMs }: Latency = options.signal === 'first-byte' ? load.firstByte : load.handshake;
  const failed = load.handshakesFailed;
  if (count + failed === 0) return undefined;
  return (count * (meanMs ?? 0) + failed * (options.penalty_ms ?? 1000)) / (count + failed);
}

/** In proportion to the averages, the greatest as great as can be. Unknown servers count as the median of the known. */
function factorsOf(
  servers: readonly SchedulerServer[],
  averages: ReadonlyMap<string, number>,
  floorMs: number,
): number[] {
  const known = [...averages.values()].sort((a, b) => a - b);
  const median = known[Math.floor(known.length / 2)] ?? floorMs;
  const waits = servers.map((server) => Math.max(averages.get(serverId(server)) ?? median, floorMs));
  const greatest = waits.reduce((most, wait) => Math.max(most, wait), floorMs);
  return waits.map((wait) => Math.max(1, Math.round((wait / greatest) * greatestFactor)));
}
