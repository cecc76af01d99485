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
import { CheckedServer } from './checked-server.js';
import { CannotAsk, type Checker, type Target } from './checker.js';
import { realClock, type Clock } from './clock.js';
import { Probe } from './probe.js';
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
import { Durations, noFailures } from './tally.js';
import { sourceFor, wantedServers } from './wanted.js';

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
  #probes = new Map<string, Probe>();
  #servers = new Map<string, CheckedServer>();
  /** Who wants to know what a probe finds. */
  #listeners = new Map<Probe, CheckedServer[]>();
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
    const wall = this.#clock.wall();
    const probes = new Map<string, Probe>();
    const servers = new Map<string, CheckedServer>();
    const listeners = new Map<Probe, CheckedServer[]>();
    const begun: Probe[] = [];
    for (const wanted of wantedServers(model)) {
      const id = serverKey(wanted.service, wanted.server);
      const server = this.#servers.get(id) ?? new CheckedServer(wanted.service, wanted.server, wall);
      servers.set(id, server);
      const own = wanted.probes.map((probe) => {
        let found = probes.get(probe.key) ?? this.#probes.get(probe.key);
        if (found === undefined) begun.push((found = new Probe(probe)));
        probes.set(probe.key, found);
        return found;
      });
      for (const probe of new Set(own)) {
        const known = listeners.get(probe);
        if (known === undefined) listeners.set(probe, [server]);
        else known.push(server);
      }
      if (!sameProbes(server.probes, own)) {
        const before = server.verdict;
        server.setProbes(own, wall);
        if (before !== server.verdict) this.#changed.add(server); // it shares a probe that has its answer already
      }
    }
    for (const [key, probe] of this.#probes) if (!probes.has(key)) this.#end(probe);
    for (const server of this.#changed)
      if (servers.get(keyOf(server)) !== server) this.#changed.delete(server);
    this.#probes = probes;
    this.#servers = servers;
    this.#listeners = listeners;
    this.#durations.keepOnly(new Set(model.services.map(({ name }) => name)));
    this.#spread(begun);
    if (this.#changed.size > 0) this.#reportSoon();
    this.#schedule.wait();
  }

  states(): readonly CheckedState[] {
    return [...this.#servers.values()].map((server) => server.state());
  }

  checked(): readonly Checked[] {
    return [...this.#servers.values()];
  }

  state(service: string, server: string): CheckedState | undefined {
    return this.#servers.get(serverKey(service, server))?.state();
  }

  facts(): HealthFacts {
    const servers = [...this.#servers.values()];
    const now = this.#clock.now();
    let queued = 0;
    if (this.#running >= this.#concurrency) {
      for (const probe of this.#probes.values()) if (probe.place >= 0 && probe.at <= now) queued += 1;
    }
    return {
      probes: this.#probes.size,
      running: this.#running,
      queued,
      failures: { ...this.#failures },
      totals: { [Symbol.iterator]: () => totalsOf(servers) },
      durations: this.#durations.all(),
      transitions: { [Symbol.iterator]: () => transitionsOf(servers) },
    };
  }

  suspect(service: string, server: string, why: string): void {
    const suspected = this.#servers.get(serverKey(service, server));
    for (const probe of suspected?.probes ?? []) {
      const { check } = probe.wanted;
      if (!check.passive || !probe.suspect()) continue;
      for (const listener of this.#listeners.get(probe) ?? []) this.#changed.add(listener.becomeSuspect());
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
      for (const probe of this.#probes.values()) this.#end(probe);
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

  #ask(probe: Probe, now: number): void {
    const { check } = probe.wanted;
    probe.startedAt = now;
    this.#running += 1;
    const checker = this.#parts.checkers[check.question.kind] as Checker;
    const [target, asker] = this.#prepare(probe, checker);
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
    const listeners = this.#listeners.get(probe) ?? [];
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

const serverKey = (service: string, server: string): string => `${server} ${service}`;
const keyOf = ({ service, server }: CheckedServer): string => serverKey(service, server);

const sameProbes = (a: readonly Probe[], b: readonly Probe[]): boolean =>
  a.length === b.length && a.every((probe, index) => probe === b[index]);
