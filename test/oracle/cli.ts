// SPDX-License-Identifier: Apache-2.0
/**
 * `node tools/oracle.mjs`: record asks the kernel again and writes test/oracle/traces; compare plays the same against
 * vsnat. Both take words; only scenarios whose topic or name contains one of them are played.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { projectRoot } from '../netns/support/project-root.js';
import { KernelWorld } from './kernel-world.js';
import { whatIsMissing } from './kernel-image.js';
import { playScenario } from './play.js';
import type { Scenario, Topic } from './scenario.js';
import { topics } from './topics.js';
import {
  formatTrace,
  parseTrace,
  showDifference,
  type RecordedScenario,
  type TraceFile,
} from './trace-file.js';
import { VsnatWorld } from './vsnat-world.js';
import type { World } from './world.js';

const folder = path.join(projectRoot, 'test/oracle/traces');
const fileOf = (topic: Topic): string => path.join(folder, `${topic.name}.trace`);

const usage = `usage: node tools/oracle.mjs record [WORD...]            ask the kernel, write test/oracle/traces
       node tools/oracle.mjs compare [--accept] [WORD...] play against vsnat, tell what differs
                                                          --accept: write down what differs where a
                                                          scenario says that it may`;

/** A word that is a topic means that topic; any other is looked for in the names. */
function chosen(words: readonly string[]): readonly Topic[] {
  const isTopic = (word: string): boolean => topics.some(({ name }) => name === word);
  const wanted = (topic: Topic, { name }: Scenario): boolean =>
    words.length === 0 ||
    words.some((word) =>
      isTopic(word) ? topic.name === word : name.toLowerCase().includes(word.toLowerCase()),
    );
  return topics
    .map((topic) => ({ ...topic, scenarios: topic.scenarios.filter((scenario) => wanted(topic, scenario)) }))
    .filter((topic) => topic.scenarios.length > 0);
}

async function recorded(topic: Topic): Promise<TraceFile | null> {
  return existsSync(fileOf(topic)) ? parseTrace(await readFile(fileOf(topic), 'utf8')) : null;
}

/** Writes a topic's file: the scenarios in the order of the source, those not played as they were. */
async function store(topic: Topic, kernel: string, fresh: readonly RecordedScenario[]): Promise<void> {
  const before = (await recorded(topic))?.scenarios ?? [];
  const all = topics.find(({ name }) => name === topic.name)?.scenarios ?? [];
  const scenarios = all.flatMap(({ name }) => {
    const one = fresh.find((s) => s.name === name) ?? before.find((s) => s.name === name);
    return one === undefined ? [] : [one];
  });
  await mkdir(folder, { recursive: true });
  await writeFile(fileOf(topic), formatTrace({ kernel, scenarios }));
}

const mostBroken = 3;

/**
 * Plays everything chosen, one after another, and hands the lines of each to `done`. A scenario that cannot be played
 * is said; after a few it is the world that is broken. Returns how many there were.
 */
async function playAll(
  world: World,
  chosenTopics: readonly Topic[],
  done: (topic: Topic, scenario: Scenario, lines: readonly string[]) => void,
): Promise<number> {
  let scenarioNumber = 0;
  let broken = 0;
  for (const topic of chosenTopics) {
    for (const scenario of topic.scenarios) {
      scenarioNumber += 1;
      const began = performance.now();
      try {
        done(topic, scenario, await playScenario(world, scenario, scenarioNumber));
      } catch (error) {
        broken += 1;
        console.log(`BROKEN: ${topic.name}: ${scenario.name}: ${String(error)}`);
        if (broken >= mostBroken) throw error;
      }
      if (process.env.VSNAT_ORACLE_TIMES !== undefined)
        console.log(
          `${(performance.now() - began).toFixed(0).padStart(6)} ms  ${topic.name}: ${scenario.name}`,
        );
    }
  }
  return broken;
}

const count = (chosenTopics: readonly Topic[]): number =>
  chosenTopics.reduce((sum, { scenarios }) => sum + scenarios.length, 0);

async function record(words: readonly string[]): Promise<number> {
  const missing = await whatIsMissing();
  if (missing !== null) {
    console.log(`SKIPPED: the kernel cannot be asked here: needs ${missing}`);
    console.log(`0 recorded, ${count(chosen(words))} skipped`);
    return process.env.VSNAT_REQUIRE_ALL === undefined ? 0 : 1;
  }
  const chosenTopics = chosen(words);
  const world = await KernelWorld.start(count(chosenTopics));
  const fresh = new Map<string, RecordedScenario[]>();
  const before = new Map<string, TraceFile | null>();
  for (const topic of chosenTopics) before.set(topic.name, await recorded(topic));
  let [changed, broken] = [0, 0];
  try {
    broken = await playAll(world, chosenTopics, (topic, scenario, kernel) => {
      const old = before.get(topic.name)?.scenarios.find(({ name }) => name === scenario.name);
      const differs = scenario.differs ?? null;
      const vsnat = differs !== null && old?.differs === differs ? old.vsnat : kernel;
      if (old?.kernel.join('\n') !== kernel.join('\n')) {
        changed += 1;
        console.log(`${old === undefined ? 'new' : 'CHANGED'}: ${topic.name}: ${scenario.name}`);
      }
      fresh.set(topic.name, [
        ...(fresh.get(topic.name) ?? []),
        { name: scenario.name, differs, kernel, vsnat },
      ]);
    });
  } finally {
    await world.close();
    for (const topic of chosenTopics) await store(topic, world.origin, fresh.get(topic.name) ?? []);
  }
  console.log(`${count(chosenTopics) - broken} recorded, ${changed} new or changed, ${broken} broken`);
  return broken > 0 ? 1 : 0;
}

async function compare(words: readonly string[], accept: boolean): Promise<number> {
  const chosenTopics = chosen(words);
  const files = new Map<string, TraceFile | null>();
  for (const topic of chosenTopics) files.set(topic.name, await recorded(topic));
  const accepted = new Map<string, RecordedScenario[]>();
  let [equal, asListed, failed] = [0, 0, 0];
  const world = await VsnatWorld.start();
  try {
    const broken = await playAll(world, chosenTopics, (topic, scenario, lines) => {
      const old = files.get(topic.name)?.scenarios.find(({ name }) => name === scenario.name);
      const differs = scenario.differs ?? null;
      if (old === undefined) {
        failed += 1;
        console.log(`NOT RECORDED: ${topic.name}: ${scenario.name}; run: node tools/oracle.mjs record`);
      } else if (accept && differs !== null) {
        accepted.set(topic.name, [...(accepted.get(topic.name) ?? []), { ...old, differs, vsnat: lines }]);
        asListed += 1;
      } else if (differs !== null && old.kernel.join('\n') === lines.join('\n')) {
        failed += 1;
        console.log(`\nEQUAL, but listed as ${differs}: ${topic.name}: ${scenario.name}`);
      } else if (old.differs === differs && old.vsnat.join('\n') === lines.join('\n')) {
        if (differs === null) equal += 1;
        else asListed += 1;
      } else {
        failed += 1;
        console.log(`\nUNEQUAL: ${topic.name}: ${scenario.name}\n${showDifference(old.vsnat, lines)}`);
      }
    });
    failed += broken;
  } finally {
    await world.close();
  }
  for (const topic of chosenTopics) {
    const fresh = accepted.get(topic.name);
    if (fresh !== undefined) await store(topic, files.get(topic.name)?.kernel ?? '', fresh);
  }
  console.log(`${equal} equal, ${asListed} differ as listed, ${failed} unequal`);
  return failed > 0 ? 1 : 0;
}

const [command, ...words] = process.argv.slice(2);
const rest = words.filter((word) => word !== '--accept');
if (command === 'record') process.exitCode = await record(rest);
else if (command === 'compare') process.exitCode = await compare(rest, words.includes('--accept'));
else {
  console.error(usage);
  process.exitCode = 2;
}
