// SPDX-License-Identifier: Apache-2.0
/**
 * Planning with a scheduler that users wrote. It is told what the servers carry and did since it planned last, and what
 * it answers is checked before anything is published. When it fails, the plan it made last stays, said of the servers
 * that are there now; where there is none, wlc stands in. Either way connections go on being scheduled.
 */
import { said } from '../errors.js';
import type { Counters, ServerCounters } from '../dataplane/dataplane.js';
import { latencyBounds, noSignals, signalsSince, type Histogram } from '../dataplane/signals.js';
import {
  noLatency,
  noLoad,
  noPlanFailures,
  PlanFailure,
  planFailureReason,
  serverId,
  type Latency,
  type Past,
  type Plan,
  type PlanFailures,
  type SchedulerProgram,
  type SchedulerServer,
  type ServerLoad,
  type VirtualService,
} from '../model/index.js';
import { carryPlan, planProblem, schedulerFor, servesAnybody } from '../scheduler/index.js';

type Reading = Pick<ServerCounters, 'slot' | 'connections' | 'inBytes' | 'outBytes' | 'signals'>;

/** What is kept of a service's custom scheduler from one plan to the next. */
export interface CustomState {
  readonly scheduler: SchedulerProgram['scheduler'];
  readonly memory: ReadonlyMap<string, unknown>;
  /** Monotonic milliseconds. */
  readonly plannedAt: number;
  /** What the servers had counted then, by name. */
  readonly readings: ReadonlyMap<string, Reading>;
  /** Plans that failed since the service was configured. */
  readonly failures: PlanFailures;
  /** Why the last plan failed; null when it did not. */
  readonly failure: string | null;
}

export interface CustomQuestion {
  readonly service: Pick<VirtualService, 'name' | 'listen'>;
  readonly program: SchedulerProgram;
  readonly servers: readonly SchedulerServer[];
  readonly past: Past | undefined;
  readonly state: CustomState | undefined;
  /** Of each server, in order; undefined for one that has not counted anything. */
  readonly counted: readonly (ServerCounters | undefined)[];
  readonly nowMs: number;
}

export interface CustomAnswer {
  readonly plan: Plan;
  readonly state: CustomState;
}

export function planCustom(question: CustomQuestion): CustomAnswer {
  const { service, program, servers, past, counted, nowMs } = question;
  const { scheduler, options } = program;
  const state = question.state?.scheduler === scheduler ? question.state : undefined;
  const failures = question.state?.failures ?? noPlanFailures;
  const memory = new Map(state?.memory);
  const loads = loadsOf(servers, counted, state, nowMs);
  const kept = { scheduler, plannedAt: nowMs, readings: readingsOf(servers, counted) };
  try {
    const plan: Plan = scheduler.plan(servers, loads, {
      service: service.name,
      protocols: [...new Set(service.listen.map(({ protocol }) => protocol))],
      options,
      nowMs,
      ...(past !== undefined && { past }),
      memory,
    });
    const problem = planProblem(plan, servers.length);
    if (problem !== undefined) throw new PlanFailure('invalid', problem);
    return { plan, state: { ...kept, memory, failures, failure: null } };
  } catch (error) {
    const failure = said(error);
    const reason = planFailureReason(error);
    const counted = { ...failures, [reason]: failures[reason] + 1 };
    const plan = standIn(servers, past);
    return { plan, state: { ...kept, memory: state?.memory ?? new Map(), failures: counted, failure } };
  }
}

/** When this service's scheduler wants to plan again; null: not before its servers change. */
export function nextPlanAt({ scheduler, plannedAt }: CustomState): number | null {
  return scheduler.replanEvery === undefined ? null : plannedAt + scheduler.replanEvery;
}

function standIn(servers: readonly SchedulerServer[], past: Past | undefined): Plan {
  const carried = past && carryPlan(past.plan, past.servers, servers);
  return carried !== undefined && servesAnybody(carried) ? carried : schedulerFor('wlc').plan(servers);
}

function readingsOf(
  servers: readonly SchedulerServer[],
  counted: CustomQuestion['counted'],
): ReadonlyMap<string, Reading> {
  return new Map(
    servers.flatMap((server, index): [string, Reading][] => {
      const now = counted[index];
      return now === undefined ? [] : [[serverId(server), now]];
    }),
  );
}

function loadsOf(
  servers: readonly SchedulerServer[],
  counted: CustomQuestion['counted'],
  state: CustomState | undefined,
  nowMs: number,
): readonly ServerLoad[] {
  const seconds = state === undefined ? 0 : (nowMs - state.plannedAt) / 1000;
  return servers.map((server, index) => {
    const now = counted[index];
    if (now === undefined) return noLoad;
    // Whoever had counted nothing by the last plan was not in the counters then.
    const then = state === undefined ? now : (state.readings.get(serverId(server)) ?? nothingIn(now.slot));
    return loadOf(now, then, seconds);
  });
}

const nothingIn = (slot: number): Reading => ({
  slot,
  connections: 0,
  inBytes: 0,
  outBytes: 0,
  signals: noSignals,
});

function loadOf(now: ServerCounters, then: Reading, seconds: number): ServerLoad {
  const { active, inactive, overloaded } = now;
  // Another slot: the server left and came back, and what it counts is not what was read then.
  if (then.slot !== now.slot) return { ...noLoad, active, inactive, overloaded };
  const perSecond = (amount: number): number => (seconds > 0 ? amount / seconds : 0);
  const signals = signalsSince(now.signals, then.signals);
  const newConnections = now.connections - then.connections;
  return {
    active,
    inactive,
    overloaded,
    newConnections,
    connectionsPerSecond: perSecond(newConnections),
    inBytesPerSecond: perSecond(now.inBytes - then.inBytes),
    outBytesPerSecond: perSecond(now.outBytes - then.outBytes),
    handshake: latencyOf(signals.handshake),
    firstByte: latencyOf(signals.firstByte),
    retransmissions: signals.retransmissionsIn + signals.retransmissionsOut,
    handshakesFailed: signals.handshakesRefused + signals.synUnanswered,
  };
}

export function latencyOf({ counts, count, sum }: Histogram): Latency {
  if (count === 0) return noLatency;
  const quantile = (share: number): number => {
    let left = Math.ceil(share * count);
    const bucket = counts.findIndex((inBucket) => (left -= inBucket) <= 0);
    return (latencyBounds[bucket] ?? Infinity) * 1000;
  };
  return { count, meanMs: (sum / count) * 1000, medianMs: quantile(0.5), p99Ms: quantile(0.99) };
}

/** The counters of one slot each, found when somebody asks. */
export function countersBySlot(counters: () => Counters): (slot: number) => ServerCounters | undefined {
  let read: Counters | undefined;
  return (slot) => (read ??= counters()).serverAt(slot);
}
