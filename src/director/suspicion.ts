// SPDX-License-Identifier: Apache-2.0
/**
 * When what clients meet speaks against a server: from looks at the dataplane's signs to suspicions. Pure; time is an
 * argument. A suspicion only has a server checked sooner, so a wrong one costs a few checks and a missed one some seconds.
 *
 *   failures  SYNs sent again, handshakes refused, unreachables, and resets while nothing is answered: two of them
 *             within seconds, and at least one for four answers. Each counts half as much after `halfLifeMs`.
 *   silence   three new connections in one look, and not one answer in it or the next, from a server that had
 *             answered at least half of what it was sent
 *
 * A client that scans ports or sends what a server refuses makes it look bad, too. So a suspicion is followed by a pause,
 * twice as long when the next comes soon: whoever plays with it buys `fall` checks in ten seconds, then in ever more.
 */
import type { ServerSigns } from '../dataplane/signs.js';

export const halfLifeMs = 10_000;
const fewestFailures = 2;
const answersPerFailure = 4;
const fewestUnanswered = 3;
export const shortestPauseMs = 10_000;
export const longestPauseMs = 160_000;

interface Memory {
  at: number;
  last: ServerSigns;
  /** Faded. */
  failures: number;
  answers: number;
  /** New connections of the look before, unless one was answered in it. */
  unanswered: number;
  suspectedAt: number;
  pauseMs: number;
}

export type ReadSigns = (take: (slot: number, signs: ServerSigns) => void) => void;

export class Suspicion {
  readonly #memories = new Map<number, Memory>();
  /** Slots whose last look had connections without an answer: they are judged also when they have no news. */
  readonly #waiting = new Set<number>();

  /**
   * `read` hands over the totals of servers with news since the last look; the others' are as they were. `isLookedAt`: a look may
   * be at a part of all slots.
   */
  look(
    nowMs: number,
    read: ReadSigns,
    isLookedAt: (slot: number) => boolean = () => true,
  ): ReadonlyMap<number, string> {
    const suspected = new Map<number, string>();
    const silent = new Set([...this.#waiting].filter(isLookedAt));
    for (const slot of silent) this.#waiting.delete(slot);
    const judge = (slot: number, signs: ServerSigns): void => {
      silent.delete(slot);
      const why = this.#judge(nowMs, slot, signs);
      if (why !== null) suspected.set(slot, why);
    };
    read(judge);
    for (const slot of silent) {
      const memory = this.#memories.get(slot);
      if (memory !== undefined) judge(slot, memory.last);
    }
    return suspected;
  }

  /** Nothing is known of this server: its checks have found it dead, or it is another one's place now. */
  forget(slot: number): void {
    this.#memories.delete(slot);
    this.#waiting.delete(slot);
  }

  keepOnly(slots: ReadonlySet<number>): void {
    for (const slot of this.#memories.keys()) if (!slots.has(slot)) this.forget(slot);
  }

  #judge(nowMs: number, slot: number, signs: ServerSigns): string | null {
    const memory = this.#memories.get(slot);
    if (memory === undefined) {
      this.#memories.set(slot, newMemory(nowMs, signs));
      return null;
    }
    const { last } = memory;
    const connections = signs.connections - last.connections;
    const answers = signs.answers - last.answers;
    const met = {
      repeated: signs.repeated - last.repeated,
      refused: signs.refused - last.refused,
      unreachable: signs.unreachable - last.unreachable,
      resets: answers > 0 ? 0 : signs.resets - last.resets,
    };
    const fade = 2 ** ((memory.at - nowMs) / halfLifeMs);
    memory.failures = memory.failures * fade + met.repeated + met.refused + met.unreachable + met.resets;
    memory.answers = memory.answers * fade + answers;
    const isSilent =
      answers === 0 && memory.unanswered >= fewestUnanswered && last.answers >= last.connections / 2;
    const waitedFor = memory.unanswered;
    // Before it is looked at again: of these, none has been answered.
    memory.unanswered = answers === 0 ? connections : 0;
    if (memory.unanswered >= fewestUnanswered) this.#waiting.add(slot);
    memory.at = nowMs;
    memory.last = signs;
    const isFailing =
      memory.failures >= fewestFailures && memory.failures * answersPerFailure >= memory.answers;
    if (!isSilent && !isFailing) return null;
    if (nowMs < memory.suspectedAt + memory.pauseMs) return null;
    const isSoon = nowMs < memory.suspectedAt + 4 * memory.pauseMs;
    memory.pauseMs = isSoon ? Math.min(longestPauseMs, 2 * memory.pauseMs) : shortestPauseMs;
    memory.suspectedAt = nowMs;
    memory.failures = 0;
    return isFailing ? inWords(met) : `${waitedFor} new connections without an answer`;
  }
}

const newMemory = (at: number, last: ServerSigns): Memory => ({
  at,
  last,
  failures: 0,
  answers: 0,
  unanswered: 0,
  suspectedAt: -Infinity,
  pauseMs: shortestPauseMs,
});

function inWords(met: Readonly<Record<'repeated' | 'refused' | 'unreachable' | 'resets', number>>): string {
  const words = [
    [met.repeated, 'SYNs sent again'],
    [met.refused, 'connections refused'],
    [met.resets, 'connections reset'],
    [met.unreachable, 'ICMP unreachable'],
  ] as const;
  const said = words.flatMap(([count, what]) => (count > 0 ? [`${count} ${what}`] : []));
  return said.length === 0 ? 'connections failed' : said.join(', ');
}
