// SPDX-License-Identifier: Apache-2.0
/**
 * Scenarios against their recordings, several worlds at once: a scenario that waits costs no time, and most of what
 * the others cost is waiting for the host's tools.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../netns/support/project-root.js';
import { playScenario } from './play.js';
import type { Scenario, Topic } from './scenario.js';
import { parseTrace, type RecordedScenario, type TraceFile } from './trace-file.js';
import type { World } from './world.js';

export const traceFolder = path.join(projectRoot, 'test/oracle/traces');
export const traceFileOf = (topic: Topic): string => path.join(traceFolder, `${topic.name}.trace`);
export const readTrace = (topic: Topic): TraceFile => parseTrace(readFileSync(traceFileOf(topic), 'utf8'));

export interface Entry {
  readonly topic: Topic;
  readonly scenario: Scenario;
  /** Of its addresses; see names.ts. */
  readonly number: number;
}

/** Longest first would be better still, but who knows how long; those that wait are at least not the last. */
export const entriesOf = (topics: readonly Topic[]): readonly Entry[] =>
  topics
    .flatMap((topic) => topic.scenarios.map((scenario) => ({ topic, scenario })))
    .map((entry, i) => ({ ...entry, number: i + 1 }));

/** What was written down, or why nothing could be. */
export type Played = { readonly lines: readonly string[] } | { readonly broken: unknown };

/** Gives each world the next entry as soon as it is done with its last. Ends when all are played. */
export async function playAll(
  worlds: readonly World[],
  entries: readonly Entry[],
  done: (entry: Entry, played: Played, milliseconds: number) => void,
): Promise<void> {
  const waiting = entries.values();
  await Promise.all(
    worlds.map(async (world) => {
      for (const entry of waiting) {
        const began = performance.now();
        const played = await playScenario(world, entry.scenario, entry.number).then(
          (lines): Played => ({ lines }),
          (broken: unknown): Played => ({ broken }),
        );
        done(entry, played, performance.now() - began);
      }
    }),
  );
}

const same = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((line, i) => line === right[i]);

export type Verdict = 'equal' | 'differs as listed' | 'unequal';

/** `recorded` is undefined for a scenario the kernel was never asked about. */
export function judge(
  scenario: Scenario,
  recorded: RecordedScenario | undefined,
  lines: readonly string[],
): Verdict {
  if (recorded === undefined || recorded.differs !== (scenario.differs ?? null)) return 'unequal';
  if (!same(recorded.vsnat, lines)) return 'unequal';
  if (scenario.differs === undefined) return 'equal';
  return same(recorded.kernel, lines) ? 'unequal' : 'differs as listed';
}

export class Sum {
  readonly #counts: Record<Verdict, number> = { equal: 0, 'differs as listed': 0, unequal: 0 };
  #randomSteps = 0;

  add(scenario: Scenario, verdict: Verdict): void {
    this.#counts[verdict] += 1;
    this.#randomSteps += scenario.randomSteps ?? 0;
  }

  get unequal(): number {
    return this.#counts.unequal;
  }

  toString(): string {
    const { equal, unequal, 'differs as listed': different } = this.#counts;
    return (
      `oracle: ${equal + different + unequal} scenarios run, ${equal} equal, ${different} deliberately different, ` +
      `${unequal} unequal; ${this.#randomSteps} generated steps compared`
    );
  }
}
