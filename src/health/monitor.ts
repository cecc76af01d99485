// SPDX-License-Identifier: Apache-2.0
/**
 * Asks all servers, all the time, and says when something changed.
 *
 * schedule.ts says when each probe is begun, and at most `concurrency` are under way. Probes that are new are spread: as
 * many starts a second as a running monitor may make, then a random part of the interval. So neither a restart nor a reload
 * is a storm.
 */
import type { Model } from '../model/index.js';
import { attempt, type CheckResult } from './attempt.js';
import type { CheckedServer } from './checked-server.js';
import { CannotAsk, type Checker, type Target } from './checker.js';
import { realClock, type Clock } from './clock.js';
import type { Probe } from './probe.js';
import { Schedule } from './schedule.js';
import type {
  Checked,
  CheckedState,
  CheckTotals,
  HealthFacts,
  HealthMonitor,
  MonitorParts,
  Transitions,
} from './state.js';
import { Roster } from './roster.js';
import { Durations, noFailures } from './tally.js';
import { sourceFor } from './wanted.js';

/** New probes begin this far apart, or closer when they would not fit into their interval. */
const spreadMs = 2;
const defaultConcurrency = 2000;
const skippedNoticeMs = 10_000;

export function createMonitor(parts: MonitorParts): HealthMonitor {
  return new Monitor(parts);
}

class Monitor implements HealthMonitor {
  readonly #parts: MonitorParts;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #concurrency: number;
  readonly #schedule: Schedule<Probe>;
  readonly #durations = new Durations();
  readonly #failures = noFailures();
  readonly #changed = new Set<CheckedServer>();
  readonly #roster = new Roster();
  #running = 0;
  #report: (() => void) | undefined;
  #skippedAt = -skippedNoticeMs;
  #closing: Promise<void> | undefined;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? realClock;
    this.#random = parts.random ?? Math.random;
    this.#concurrency = parts.concurrency ?? defaultConcurrency;
    this.#schedule = new Schedule({
      clock: this.#clock,
      hasRoom: () => this.#running < this.#concurrency,
      begin: (probe, now) => this.#ask(probe, now),
    });
  }

  update(model: Model): void {
    if (this.#closing !== undefined) return;
    const { begun, ended, left, judged } = this.#roster.follow(model, this.#clock.wall());
    for (const probe of begun) this.#checkerOf(probe).admit?.(probe.wanted.check.question);
    for (const probe of ended) {
      this.#end(probe);
      this.#checkerOf(probe).dismiss?.(probe.wanted.check.question);
    }
    for (const server of judged) this.#changed.add(server);
    for (const server of left) this.#changed.delete(server);
    this.#durations.keepOnly(new Set(model.services.map(({ name }) => name)));
    this.#spread(begun);
    if (this.#changed.size > 0) this.#reportSoon();
    this.#schedule.wait();
  }

  states(): readonly CheckedState[] {
    return this.#roster.servers.map((server) => server.state());
  }

  checked(): readonly Checked[] {
    return this.#roster.servers;
  }

  state(service: string, server: string): CheckedState | undefined {
    return this.#roster.find(service, server)?.state();
  }

  facts(): HealthFacts {
    const { servers } = this.#roster;
    const now = this.#clock.now();
    let queued = 0;
    if (this.#running >= this.#concurrency) {
      for (const probe of this.#roster.probes) if (probe.place >= 0 && probe.at <= now) queued += 1;
    }
    return {
      probes: this.#roster.probeCount,
      running: this.#running,
      queued,
      failures: { ...this.#failures },
      totals: { [Symbol.iterator]: () => totalsOf(servers) },
      durations: this.#durations.all(),
      transitions: { [Symbol.iterator]: () => transitionsOf(servers) },
    };
  }

  suspect(service: string, server: string, why: string): void {
    const suspected = this.#roster.find(service, server);
    for (const probe of suspected?.probes ?? []) {
      const { check } = probe.wanted;
      if (!check.passive || !probe.suspect()) continue;
      for (const listener of this.#roster.listenersOf(probe)) this.#changed.add(listener.becomeSuspect());
      const soonest = this.#clock.now() + this.#random() * check.timing.fastIntervalMs;
      if (probe.place >= 0 && probe.at > soonest) this.#schedule.set(probe, soonest);
      this.#parts.onNotice?.({
        what: 'suspicion',
        level: 'info',
        service,
        server,
        kind: check.question.kind,
        reason: null,
        text: `suspect, checked faster: ${why}`,
      });
    }
    if (this.#changed.size > 0) this.#reportSoon();
    this.#schedule.wait();
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#schedule.close();
      this.#report?.();
      for (const probe of this.#roster.probes) this.#end(probe);
      const checkers = new Set<Pick<Checker, 'close'>>(Object.values(this.#parts.checkers));
      await Promise.all([...checkers].map((checker) => checker.close?.() ?? Promise.resolve()));
    })();
    return this.#closing;
  }

  /** First checks: evenly over the time that so many of them may take, in random order. */
  #spread(begun: readonly Probe[]): void {
    const now = this.#clock.now();
    const window = begun.length * spreadMs;
    for (const probe of begun) {
      const { intervalMs } = probe.wanted.check.timing;
      probe.isSpread = window >= intervalMs;
      this.#schedule.set(probe, now + this.#random() * Math.min(intervalMs, window));
    }
  }

  #checkerOf({ wanted }: Probe): Checker {
    return this.#parts.checkers[wanted.check.question.kind];
  }

  #ask(probe: Probe, now: number): void {
    const { check } = probe.wanted;
    probe.startedAt = now;
    this.#running += 1;
    const [target, asker] = this.#prepare(probe, this.#checkerOf(probe));
    probe.running = attempt(asker, check.question, target, this.#clock, (result) =>
      this.#answered(probe, result),
    );
  }

  /** Who is asked, and by whom: a check that must go through the VIP and cannot is skipped. */
  #prepare(probe: Probe, checker: Checker): [Target, Checker] {
    const { check, address, port, service, server } = probe.wanted;
    const { timeoutMs } = check.timing;
    const plain = {
      address,
      port,
      source: sourceFor(probe.wanted),
      detour: null,
      service,
      server,
      timeoutMs,
    };
    if (check.through === 'direct') return [plain, checker];
    const detour = this.#parts.connectThrough?.(probe.wanted) ?? null;
    return detour === null ? [plain, noWay] : [{ ...plain, detour }, checker];
  }

  #answered(probe: Probe, result: CheckResult): void {
    this.#running -= 1;
    probe.running = undefined;
    const wall = this.#clock.wall();
    const { kind } = probe.wanted.check.question;
    const listeners = [...this.#roster.listenersOf(probe)];
    if (result.reason !== null) this.#failures[result.reason] += 1;
    if (result.result === 'skipped') this.#noticeSkipped(probe, result);
    if (probe.take(result, wall)) {
      for (const server of listeners) {
        this.#changed.add(server);
        if (server.refresh(wall)) this.#notice(server);
      }
      this.#reportSoon();
    }
    if (result.result !== 'skipped') {
      for (const { service } of listeners) this.#durations.add(service, kind, result.durationMs);
    }
    this.#schedule.set(probe, Math.max(this.#clock.now(), probe.startedAt + probe.nextAfter(this.#random())));
    this.#schedule.wait();
  }

  #notice(server: CheckedServer): void {
    const found = server.finding();
    if (found === undefined) return;
    const { verdict, service, server: id } = server;
    const level = verdict === 'down' ? 'warn' : 'info';
    this.#parts.onNotice?.({
      what: 'verdict',
      level,
      service,
      server: id,
      kind: found.kind,
      reason: found.reason,
      text: `${verdict}: ${found.message}`,
    });
  }

  /** Once in a while: when it hits one check it hits thousands. */
  #noticeSkipped({ wanted: { service, server, check } }: Probe, { reason, message }: CheckResult): void {
    const now = this.#clock.now();
    if (now - this.#skippedAt < skippedNoticeMs) return;
    this.#skippedAt = now;
    const { kind } = check.question;
    this.#parts.onNotice?.({
      what: 'skipped',
      level: 'warn',
      service,
      server,
      kind,
      reason,
      text: `checks are skipped: ${message}`,
    });
  }

  #end(probe: Probe): void {
    this.#schedule.delete(probe);
    if (probe.running === undefined) return;
    probe.running.stop();
    probe.running = undefined;
    this.#running -= 1;
  }

  #reportSoon(): void {
    this.#report ??= this.#clock.after(0, () => {
      this.#report = undefined;
      const states = [...this.#changed].map((server) => server.state());
      this.#changed.clear();
      if (states.length > 0) this.#parts.onChange(states);
    });
  }
}

function* totalsOf(servers: readonly CheckedServer[]): Generator<CheckTotals> {
  for (const { service, server, probes } of servers)
    for (const { counts, wanted } of probes)
      yield { service, server, kind: wanted.check.question.kind, ...counts };
}

function* transitionsOf(servers: readonly CheckedServer[]): Generator<Transitions> {
  for (const { service, server, transitions } of servers) yield { service, server, ...transitions };
}

const noWay: Checker = {
  ask: () => {
    throw new CannotAsk('no_way', 'there is no way through the VIP just now');
  },
};
