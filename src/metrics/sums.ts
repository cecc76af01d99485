// SPDX-License-Identifier: Apache-2.0
/**
 * What the rows of the view add up to, member by member. A row holds its sum and none of its members: of a hundred thousand
 * servers each is put together, added and forgotten, and the daemon never has all of them in memory at once.
 */
import { latencyBounds, noSignals, type Histogram } from '../dataplane/signals.js';
import type { ServerReport, ServiceReport } from '../director/report.js';
import { durationBounds, type CheckDurations, type CheckTotals, type Transitions } from '../health/state.js';
import { noPlanFailures, planFailureReasonNames, type PlanFailureReason } from '../model/index.js';

/** A service without its servers. */
export type ServiceFacts = Omit<ServiceReport, 'servers'>;

export interface Sum<Member> {
  add(member: Member): void;
}

export class ServiceSum implements Sum<ServiceFacts> {
  connections = 0;
  scheduleFailures = 0;
  readonly planFailures: Record<PlanFailureReason, number> = { ...noPlanFailures };
  quorumsLost = 0;

  add({ connections, scheduleFailures, planFailures, quorum }: ServiceFacts): void {
    this.connections += connections;
    this.scheduleFailures += scheduleFailures;
    if (planFailures !== null)
      for (const reason of planFailureReasonNames) this.planFailures[reason] += planFailures[reason];
    if (quorum === 'lost') this.quorumsLost += 1;
  }
}

export class ServerSum implements Sum<ServerReport> {
  connections = 0;
  active = 0;
  inactive = 0;
  persistent = 0;
  inPackets = 0;
  inBytes = 0;
  outPackets = 0;
  outBytes = 0;
  weight = 0;
  effectiveWeight = 0;
  overloaded = 0;
  draining = 0;
  /** Servers that somebody checks, and of those the ones that are up. */
  checked = 0;
  up = 0;
  handshakesAmbiguous = 0;
  firstBytesAmbiguous = 0;
  synRepeated = 0;
  synUnanswered = 0;
  handshakesRefused = 0;
  resets = 0;
  unreachable = 0;
  retransmissionsIn = 0;
  retransmissionsOut = 0;

  add(server: ServerReport): void {
    const { standing } = server;
    this.weight += server.weight;
    this.effectiveWeight += standing.effectiveWeight;
    if (standing.health !== null) this.checked += 1;
    if (standing.health === 'up') this.up += 1;
    if (server.overloaded) this.overloaded += 1;
    if (isDraining(server)) this.draining += 1;
    this.active += server.active;
    this.inactive += server.inactive;
    this.persistent += server.persistent;
    this.connections += server.connections;
    this.inPackets += server.inPackets;
    this.inBytes += server.inBytes;
    this.outPackets += server.outPackets;
    this.outBytes += server.outBytes;
    this.#addSignals(server);
  }

  #addSignals({ signals }: ServerReport): void {
    if (signals === noSignals) return;
    this.handshakesAmbiguous += signals.handshakesAmbiguous;
    this.firstBytesAmbiguous += signals.firstBytesAmbiguous;
    this.synRepeated += signals.synRepeated;
    this.synUnanswered += signals.synUnanswered;
    this.handshakesRefused += signals.handshakesRefused;
    this.resets += signals.resets;
    this.unreachable += signals.unreachable;
    this.retransmissionsIn += signals.retransmissionsIn;
    this.retransmissionsOut += signals.retransmissionsOut;
  }
}

const isDraining = ({ standing: { place }, active, inactive }: ServerReport): boolean =>
  (place === 'draining' || place === 'disabled') && active + inactive > 0;

/** Of histograms with equal bounds. */
export class HistogramSum implements Sum<Pick<Histogram, 'counts' | 'sum'>> {
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.counts = Array<number>(bounds.length + 1).fill(0);
  }

  add({ counts, sum }: Pick<Histogram, 'counts' | 'sum'>): void {
    for (const [bucket, count] of counts.entries())
      if (count !== 0) this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
    this.sum += sum;
  }
}

/** Of what is measured of servers. */
export class TimesSum implements Sum<ServerReport> {
  readonly handshake = new HistogramSum(latencyBounds);
  readonly firstByte = new HistogramSum(latencyBounds);

  add({ signals }: ServerReport): void {
    if (signals === noSignals) return;
    this.handshake.add(signals.handshake);
    this.firstByte.add(signals.firstByte);
  }
}

export class CheckSum implements Sum<CheckTotals> {
  good = 0;
  bad = 0;
  skipped = 0;

  add({ good, bad, skipped }: CheckTotals): void {
    this.good += good;
    this.bad += bad;
    this.skipped += skipped;
  }
}

export class TransitionSum implements Sum<Transitions> {
  up = 0;
  down = 0;
  suspected = 0;

  add({ up, down, suspected }: Transitions): void {
    this.up += up;
    this.down += down;
    this.suspected += suspected;
  }
}

export class DurationSum extends HistogramSum implements Sum<CheckDurations> {
  constructor() {
    super(durationBounds);
  }
}
