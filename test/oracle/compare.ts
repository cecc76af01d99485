// SPDX-License-Identifier: Apache-2.0
/** Scenarios against their recordings, several at once: most of what one costs is waiting for the host's tools. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../netns/support/project-root.js';
import { playScenario, type Played } from './play.js';
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

export const entriesOf = (topics: readonly Topic[]): readonly Entry[] =>
  topics
    .flatMap((topic) => topic.scenarios.map((scenario) => ({ topic, scenario })))
    .map((entry, i) => ({ ...entry, number: i + 1 }));

/** What was written down, or why nothing could be. */
export type Outcome = Played | { readonly broken: unknown };

/** Worlds that are played in at the same time, and share what a scenario may set. */
export type Place = readonly World[];

/**
 * Plays all entries. Those that may be played beside each other are one group, and a place has one group at a time;
 * each of its worlds takes the next entry as soon as it is done with its last. Every other place begins with the small
 * groups, which leave it idle most of the time, while the big one keeps the others busy.
 */
export async function playAll(
  places: readonly Place[],
  entries: readonly Entry[],
  done: (entry: Entry, outcome: Outcome, milliseconds: number) => void,
): Promise<void> {
  const groups = groupsOf(entries);
  const playIn = async (world: World, group: Entry[]): Promise<void> => {
    for (let entry = group.shift(); entry !== undefined; entry = group.shift()) {
      const began = performance.now();
      const outcome = await playScenario(world, entry.scenario, entry.number).catch(
        (broken: unknown): Outcome => ({ broken }),
      );
      done(entry, outcome, performance.now() - began);
    }
  };
  const isLeft = (group: readonly Entry[]): boolean => group.length > 0;
  const fresh = groups.filter((group) => group.some(needsFreshDirector)).slice(0, places.length);
  await Promise.all(
    places.map(async (worlds, i) => {
      const next = (): Entry[] | undefined => (i % 2 === 0 ? groups.find(isLeft) : groups.findLast(isLeft));
      for (let group = fresh[i] ?? next(); group !== undefined; group = next()) {
        const taken = group;
        await Promise.all(worlds.map((world) => playIn(world, taken)));
      }
    }),
  );
}

/** Connections outlive their service and keep their servers' replies coming: who tells that none come must be a director's first. */
const needsFreshDirector = ({ scenario }: Entry): boolean => scenario.differs === 'removed-server-replies';

/** The biggest group first, and in it what takes longest, as far as the recordings tell. */
function groupsOf(entries: readonly Entry[]): readonly Entry[][] {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const { alone, vsnat, sysctls } = entry.scenario;
    const key = alone === true ? `alone ${entry.number}` : JSON.stringify([vsnat, sysctls]);
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  const recorded = recordedLengths(entries);
  const length = (entry: Entry): number => recorded.get(entry) ?? 0;
  return [...groups.values()]
    .sort((a, b) => b.length - a.length)
    .map((group) => group.sort((a, b) => length(b) - length(a)));
}

const linesPerSecondOfWaiting = 50;

function recordedLengths(entries: readonly Entry[]): ReadonlyMap<Entry, number> {
  const lengths = new Map<Entry, number>();
  for (const topic of new Set(entries.map((entry) => entry.topic))) {
    const { scenarios } = existsSync(traceFileOf(topic)) ? readTrace(topic) : { scenarios: [] };
    for (const entry of entries) {
      if (entry.topic !== topic) continue;
      const lines = scenarios.find(({ name }) => name === entry.scenario.name)?.kernel ?? [];
      const waiting = lines.map((line) => Number(/^> wait (\d+) ms$/.exec(line)?.[1] ?? 0));
      const seconds = waiting.reduce((sum, one) => sum + one, 0) / 1000;
      lengths.set(entry, lines.length + seconds * linesPerSecondOfWaiting);
    }
  }
  return lengths;
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

  /** `outcome` is null for what could not be played. */
  add(verdict: Verdict, outcome: Outcome | null): void {
    this.#counts[verdict] += 1;
    if (verdict !== 'unequal' && outcome !== null && 'lines' in outcome)
      this.#randomSteps += outcome.randomSteps;
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
