// SPDX-License-Identifier: Apache-2.0
/**
 * `node tools/oracle.mjs`: record asks the kernel again and writes test/oracle/traces; compare plays the same against
 * vsnat. Both take words; only scenarios whose topic or name contains one of them are played.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import {
  entriesOf,
  judge,
  playAll,
  readTrace,
  Sum,
  traceFileOf,
  traceFolder,
  type Entry,
  type Outcome,
} from './compare.js';
import { whatIsMissing } from './kernel-image.js';
import { KernelWorld } from './kernel-world.js';
import type { Scenario, Topic } from './scenario.js';
import { topics } from './topics.js';
import { formatTrace, showDifference, type RecordedScenario } from './trace-file.js';
import { VsnatDirector } from './vsnat-world.js';

const usage = `usage: node tools/oracle.mjs record [WORD...]            ask the kernel, write test/oracle/traces
       node tools/oracle.mjs compare [--accept] [WORD...] play against vsnat, tell what differs
                                                          --accept: write down what differs where a
                                                          scenario says that it may`;

/** A word that is a topic means that topic; any other is looked for in the names. */
function chosen(words: readonly string[]): readonly Entry[] {
  const isTopic = (word: string): boolean => topics.some(({ name }) => name === word);
  const wanted = (topic: Topic, { name }: Scenario): boolean =>
    words.length === 0 ||
    words.some((word) =>
      isTopic(word) ? topic.name === word : name.toLowerCase().includes(word.toLowerCase()),
    );
  return entriesOf(
    topics.map((topic) => ({ ...topic, scenarios: topic.scenarios.filter((one) => wanted(topic, one)) })),
  );
}

const recordedOf = (topic: Topic): readonly RecordedScenario[] =>
  existsSync(traceFileOf(topic)) ? readTrace(topic).scenarios : [];
const recordedAs = ({ topic, scenario }: Entry): RecordedScenario | undefined =>
  recordedOf(topic).find(({ name }) => name === scenario.name);

/** Writes the files of what was played: scenarios in the order of the source, those not played as they were. */
async function store(fresh: ReadonlyMap<Entry, RecordedScenario>, kernel: string | null): Promise<void> {
  await mkdir(traceFolder, { recursive: true });
  const played = [...fresh].map(([{ topic }, recorded]) => ({ topic: topic.name, recorded }));
  for (const topic of topics.filter(({ name }) => played.some((one) => one.topic === name))) {
    const before = recordedOf(topic);
    const scenarios = topic.scenarios.flatMap(({ name }) => {
      const isIt = (one: RecordedScenario): boolean => one.name === name;
      const now = played.find((one) => one.topic === topic.name && isIt(one.recorded))?.recorded;
      return now ?? before.find(isIt) ?? [];
    });
    await writeFile(
      traceFileOf(topic),
      formatTrace({ kernel: kernel ?? readTrace(topic).kernel, scenarios }),
    );
  }
}

const title = ({ topic, scenario }: Entry): string => `${topic.name}: ${scenario.name}`;

function tellTime(entry: Entry, milliseconds: number): void {
  if (process.env.VSNAT_ORACLE_TIMES !== undefined)
    console.log(`${milliseconds.toFixed(0).padStart(6)} ms  ${title(entry)}`);
}

async function record(words: readonly string[]): Promise<number> {
  const entries = chosen(words);
  const missing = await whatIsMissing();
  if (missing !== null) {
    console.log(`SKIPPED: the kernel cannot be asked here: needs ${missing}`);
    console.log(`0 recorded, ${entries.length} skipped`);
    return process.env.VSNAT_REQUIRE_ALL === undefined ? 0 : 1;
  }
  const world = await KernelWorld.start(entries.length);
  const fresh = new Map<Entry, RecordedScenario>();
  let [changed, broken] = [0, 0];
  try {
    await playAll([[world]], entries, (entry, played, milliseconds) => {
      tellTime(entry, milliseconds);
      if ('broken' in played) {
        broken += 1;
        console.log(`BROKEN: ${title(entry)}: ${String(played.broken)}`);
        return;
      }
      const old = recordedAs(entry);
      const differs = entry.scenario.differs ?? null;
      const { lines: kernel } = played;
      const vsnat = differs !== null && old !== undefined ? old.vsnat : kernel;
      fresh.set(entry, { name: entry.scenario.name, differs, kernel, vsnat });
      if (old?.kernel.join('\n') === kernel.join('\n')) return;
      changed += 1;
      console.log(`${old === undefined ? 'new' : 'CHANGED'}: ${title(entry)}`);
    });
  } finally {
    await world.close();
    await store(fresh, world.origin);
  }
  console.log(`${fresh.size} recorded, ${changed} new or changed, ${broken} broken`);
  return broken > 0 ? 1 : 0;
}

/** What is wrong with what was played, or null. */
function complaint(entry: Entry, played: Outcome, recorded: RecordedScenario | undefined): string | null {
  if ('broken' in played) return `BROKEN: ${title(entry)}: ${String(played.broken)}`;
  if (recorded === undefined) return `NOT RECORDED: ${title(entry)}; run: node tools/oracle.mjs record`;
  if (judge(entry.scenario, recorded, played.lines) !== 'unequal') return null;
  if (entry.scenario.differs !== undefined && recorded.kernel.join('\n') === played.lines.join('\n'))
    return `EQUAL, but listed as ${entry.scenario.differs}: ${title(entry)}`;
  return `UNEQUAL: ${title(entry)}\n${showDifference(recorded.vsnat, played.lines)}`;
}

async function compare(words: readonly string[], accept: boolean): Promise<number> {
  const entries = chosen(words);
  const accepted = new Map<Entry, RecordedScenario>();
  const sum = new Sum();
  const directors = await VsnatDirector.startSeveral();
  const places = directors.map(({ seats }) => seats);
  try {
    await playAll(places, entries, (entry, played, milliseconds) => {
      tellTime(entry, milliseconds);
      const recorded = recordedAs(entry);
      const { differs } = entry.scenario;
      if (accept && differs !== undefined && recorded !== undefined && 'lines' in played) {
        accepted.set(entry, { ...recorded, differs, vsnat: played.lines });
        sum.add('differs as listed', played);
        return;
      }
      const wrong = complaint(entry, played, recorded);
      if (wrong !== null) console.log(`\n${wrong}`);
      sum.add(wrong !== null ? 'unequal' : differs === undefined ? 'equal' : 'differs as listed', played);
    });
  } finally {
    await Promise.all(directors.map((director) => director.close()));
  }
  await store(accepted, null);
  console.log(String(sum));
  return sum.unequal > 0 ? 1 : 0;
}

const [command, ...words] = process.argv.slice(2);
const rest = words.filter((word) => word !== '--accept');
if (command === 'record') process.exitCode = await record(rest);
else if (command === 'compare') process.exitCode = await compare(rest, words.includes('--accept'));
else {
  console.error(usage);
  process.exitCode = 2;
}
