// SPDX-License-Identifier: Apache-2.0
/** Explains a packet by what runs now. The connection table is walked in pieces, so traffic and timers go on meanwhile. */
import type { Counters, Dataplane, FlowRow } from '../dataplane/dataplane.js';
import type { Model } from '../model/index.js';
import { explain, isAbout, type ExplainedService, type Explanation, type Tuple } from './explain.js';

/** About 5 ms of work at a time. */
const rowsAtOnce = 4_096;

export interface RunningView {
  readonly dataplane: Pick<Dataplane, 'flows' | 'counters'>;
  readonly services: readonly ExplainedService[];
  readonly ipvs: Model['ipvs'];
}

export async function explainRunning(tuple: Tuple, view: RunningView): Promise<Explanation> {
  const { services, ipvs, dataplane } = view;
  const rows = await rowsAbout(tuple, view);
  const counters = dataplane.counters();
  return explain(tuple, {
    services,
    rows,
    loads: loadsIn(counters),
    cursor: (slot) => counters.serviceAt(slot)?.cursor ?? 0,
    removedServer: ipvs.removedServers,
    expireQuiescentTemplate: ipvs.sysctls.expire_quiescent_template === 1,
  });
}

async function rowsAbout(tuple: Tuple, { dataplane, services }: RunningView): Promise<readonly FlowRow[]> {
  const matches = isAbout(tuple, services);
  const found: FlowRow[] = [];
  let cursor: number | null = 0;
  while (cursor !== null) {
    const { rows, next } = dataplane.flows(cursor, rowsAtOnce);
    found.push(...rows.filter(matches));
    cursor = next;
    if (cursor !== null) await new Promise((resolve) => setImmediate(resolve));
  }
  return found;
}

function loadsIn(counters: Counters) {
  const none = { active: 0, inactive: 0, overloaded: false };
  return (slot: number): typeof none => counters.serverAt(slot) ?? none;
}
