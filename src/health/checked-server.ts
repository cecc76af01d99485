// SPDX-License-Identifier: Apache-2.0
/** A server of a service as its checks see it: one or more probes, which other services may share, in one verdict. */
import type { CheckKind } from '../model/index.js';
import type { Probe } from './probe.js';
import type { FailureReason } from './reason.js';
import type { CheckedState, Verdict } from './state.js';

export class CheckedServer {
  readonly transitions = { up: 0, down: 0, suspected: 0 };
  #probes: readonly Probe[] = [];
  #inherited: Verdict = 'unknown';
  #verdict: Verdict = 'unknown';
  #since: number;

  constructor(
    readonly service: string,
    readonly server: string,
    wall: number,
  ) {
    this.#since = wall;
  }

  get probes(): readonly Probe[] {
    return this.#probes;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  /**
   * New checks in the place of the old ones. What the old ones had found holds until the new ones have their first
   * answers: mending the path of a check brings no dead server back for a second.
   */
  setProbes(probes: readonly Probe[], wall: number): void {
    if (this.#probes.length > 0) this.#inherited = this.#verdict;
    this.#probes = probes;
    this.refresh(wall);
  }

  /** Looks at the probes again; true when the verdict changed. */
  refresh(wall: number): boolean {
    const verdict = this.#combined();
    if (verdict === this.#verdict) return false;
    if (verdict !== 'unknown') this.transitions[verdict] += 1;
    this.#verdict = verdict;
    this.#since = wall;
    return true;
  }

  /** A check of it has just become suspect; the first one counts. */
  becomeSuspect(): this {
    if (this.#probes.filter(({ isSuspect }) => isSuspect).length === 1) this.transitions.suspected += 1;
    return this;
  }

  state(): CheckedState {
    const percents = this.#probes.flatMap(({ weightPercent }) => weightPercent ?? []);
    return {
      service: this.service,
      server: this.server,
      verdict: this.#verdict,
      weightPercent: percents.length === 0 ? null : Math.min(...percents),
      drainAsked: this.#probes.some(({ drainAsked }) => drainAsked),
      suspect: this.#probes.some(({ isSuspect }) => isSuspect),
      since: this.#since,
      checks: this.#probes.map((probe) => probe.state()),
    };
  }

  /** The check that a change of the verdict is about. */
  finding():
    | { readonly kind: CheckKind; readonly reason: FailureReason | null; readonly message: string }
    | undefined {
    const probe = this.#probes.find(({ verdict }) => verdict === this.#verdict);
    if (probe === undefined) return undefined;
    const { lastReason: reason, lastMessage: message } = probe;
    return { kind: probe.wanted.check.question.kind, reason, message };
  }

  #combined(): Verdict {
    const verdicts = this.#probes.map(({ verdict }) => verdict);
    if (verdicts.includes('down')) return 'down';
    return verdicts.includes('unknown') ? this.#inherited : 'up';
  }
}
