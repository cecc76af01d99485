// SPDX-License-Identifier: Apache-2.0
/** A clock that is turned by hand and checks that say what the test says. */
import type { Clock } from '../../../src/health/clock.js';
import type { Checked, CheckedState, HealthMonitor } from '../../../src/health/state.js';
import { noFailures } from '../../../src/health/tally.js';
import type { HealthCheck, Model } from '../../../src/model/index.js';
import { idOf } from './models.js';

export const check: HealthCheck = {
  question: { kind: 'tcp' },
  timing: { intervalMs: 2000, fastIntervalMs: 500, timeoutMs: 1000, rise: 2, fall: 3, jitter: 0.1 },
  port: null,
  source: null,
  through: 'direct',
  passive: false,
};

/** A clock that is turned by hand. */
export class HandClock implements Clock {
  #ms = 0;
  #waiting: { readonly at: number; readonly call: () => void }[] = [];
  now = (): number => this.#ms;
  wall = (): number => 1_000_000 + this.#ms;

  after(ms: number, call: () => void): () => void {
    const one = { at: this.#ms + ms, call };
    this.#waiting.push(one);
    return () => (this.#waiting = this.#waiting.filter((other) => other !== one));
  }

  get pending(): number {
    return this.#waiting.length;
  }

  async turn(ms: number): Promise<void> {
    const end = this.#ms + ms;
    for (;;) {
      const next = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#ms = next.at;
      this.#waiting = this.#waiting.filter((other) => other !== next);
      next.call();
      await Promise.resolve();
    }
    this.#ms = end;
  }
}

/** Says what the test says. */
export class PlayedMonitor implements HealthMonitor {
  readonly updates: Model[] = [];
  closed = false;
  readonly #states = new Map<string, CheckedState>();
  constructor(readonly onChange: (states: readonly CheckedState[]) => void) {}

  say(letters: string, verdict: CheckedState['verdict'], service = 'web', message = 'refused'): void {
    const states = Array.from(letters).map((letter): CheckedState => ({
      service,
      server: idOf(letter),
      verdict,
      weightPercent: null,
      drainAsked: false,
      suspect: false,
      since: 0,
      checks: [
        {
          kind: 'tcp',
          verdict,
          lastAt: 0,
          lastDurationMs: 1,
          lastReason: verdict === 'up' ? null : 'refused',
          lastMessage: message,
          consecutive: -3,
          rise: 2,
          fall: 3,
        },
      ],
    }));
    this.tell(states);
  }

  tell(states: readonly CheckedState[]): void {
    for (const state of states) this.#states.set(`${state.service} ${state.server}`, state);
    this.onChange(states);
  }

  update = (model: Model): void => void this.updates.push(model);
  states = (): readonly CheckedState[] => [...this.#states.values()];
  checked = (): readonly Checked[] => this.states().map((state) => ({ ...state, state: () => state }));
  state = (service: string, server: string): CheckedState | undefined =>
    this.#states.get(`${service} ${server}`);
  facts(): ReturnType<HealthMonitor['facts']> {
    return {
      probes: 0,
      running: 0,
      queued: 0,
      failures: noFailures(),
      totals: [],
      durations: [],
      transitions: [],
    };
  }
  suspect(service: string, server: string): void {
    const key = `${service} ${server}`;
    const state = this.#states.get(key);
    if (state !== undefined) this.#states.set(key, { ...state, suspect: true });
  }
  close = (): Promise<void> => Promise.resolve(void (this.closed = true));
}
