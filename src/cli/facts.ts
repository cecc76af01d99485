// SPDX-License-Identifier: Apache-2.0
/** What the running director shows of itself, put together for metrics and the admin API. */
import type { DirectorStatus } from '../admin/api.js';
import type { Counters } from '../dataplane/dataplane.js';
import type { Director } from '../director/director.js';
import type { Reloader } from '../director/reload.js';
import type { RunTime } from '../director/run-time.js';
import type { AdminFacts } from '../metrics/admin.js';
import type { BuildFacts, Sample } from '../metrics/definition.js';
import { formatEndpoint } from '../model/index.js';

type AnyDirector = Pick<
  Director,
  | 'counters'
  | 'defence'
  | 'egress'
  | 'ingress'
  | 'facts'
  | 'generation'
  | 'model'
  | 'monitor'
  | 'publishes'
  | 'listing'
>;

/** Whether every queue works with the snapshot published last. */
export function adopted(director: AnyDirector, counters: Counters = director.counters('queues')): boolean {
  return counters.queues.every((queue) => queue.generation >= director.generation);
}

/** Who knows of the file. */
export interface Remembering {
  readonly reloader: Reloader;
  readonly runTime: Pick<RunTime, 'deviationCount'>;
}

/** All counters are of one moment, whenever they are read of a service. */
export function takeSample(
  director: AnyDirector,
  { reloader, runTime }: Remembering,
  build: BuildFacts,
  admin: AdminFacts,
): Sample {
  const counters = director.counters();
  return {
    build,
    facts: director.facts,
    reloads: reloader.numbers,
    publishes: director.publishes,
    generation: director.generation,
    deviations: runTime.deviationCount,
    counters,
    defence: director.defence,
    services: director.listing(counters),
    health: director.monitor?.facts() ?? null,
    settings: director.model.metrics,
    admin,
  };
}

export function directorStatus(director: AnyDirector, reloader: Reloader): DirectorStatus {
  const counters = director.counters('queues');
  const { model } = director;
  const { queues } = counters;
  const sum = (read: (queue: Counters['queues'][number]) => number): number =>
    queues.reduce((total, queue) => total + read(queue), 0);
  return {
    generation: director.generation,
    adopted: adopted(director, counters),
    services: model.services.length,
    servers: model.services.reduce((total, service) => total + service.servers.length, 0),
    device: director.facts,
    ingress: director.ingress,
    egress: director.egress,
    shortcuts: counters.shortcuts,
    flowTable: counters.flowTable,
    packets: {
      received: sum((queue) => queue.rxPackets),
      forwarded: sum((queue) => queue.forwarded),
      passed: sum((queue) => queue.passed),
      generated: sum((queue) => Object.values(queue.generated).reduce((total, count) => total + count, 0)),
      dropped: droppedByReason(queues),
    },
    reloads: reloader.facts,
    metricsListen: model.metrics.listen === null ? null : formatEndpoint(model.metrics.listen),
  };
}

function droppedByReason(queues: Counters['queues']): Readonly<Record<string, number>> {
  const total = new Map<string, number>();
  for (const { dropped } of queues) {
    for (const [reason, count] of Object.entries(dropped)) {
      if (count > 0) total.set(reason, (total.get(reason) ?? 0) + count);
    }
  }
  return Object.fromEntries(total);
}
