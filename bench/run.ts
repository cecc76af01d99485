// SPDX-License-Identifier: Apache-2.0
/** npm run bench -- [OPTION]... (options.ts); bench/README.md says what is measured, and how. */
import path from 'node:path';
import { projectRoot } from '../test/netns/support/project-root.js';
import { compareWith } from './against.js';
import { contenders } from './contenders/index.js';
import { loads } from './loads/index.js';
import { benchHelp, benchOptions, BenchUsageError, type BenchOptions } from './options.js';
import { provenance } from './provenance.js';
import { everyTable, machineTable, yardstick } from './report/markdown.js';
import { writeResults, type Results } from './report/results.js';
import { figuresOf, measureAll } from './session.js';

const isChosen = (name: string, parts: readonly string[]): boolean =>
  parts.length === 0 || parts.some((part) => name.includes(part));

const say = (text: string): void => console.error(text);

async function bench(options: BenchOptions): Promise<number> {
  const { rounds, seconds, limitMs } = options;
  const head = provenance(process.argv.slice(2));
  const chosen = loads.filter((load) =>
    options.loads.length === 0 ? options.extent === 'all' || load.isMain : isChosen(load.name, options.loads),
  );
  const wanted = contenders.filter(({ name }) => isChosen(name, options.contenders));
  const session = await measureAll({ contenders: wanted, loads: chosen, rounds, seconds, limitMs }, say);
  const results: Results = {
    ...head,
    rounds: new Set(session.samples.map(({ round }) => round)).size,
    seconds,
    stolenShare: session.stolenShare,
    tookSeconds: session.tookSeconds,
    contenders: session.contenders.map(({ name, kind }) => ({ name, kind })),
    figures: figuresOf(chosen),
    notes: session.notes,
    samples: session.samples,
  };
  const file = writeResults(path.join(projectRoot, 'bench/results'), results);
  console.log(`${machineTable(results)}\n\n${everyTable(results)}`);
  console.log(`\nMedian (least–most); the share is of ${yardstick}.`);
  console.log(`Samples: ${path.relative(projectRoot, file)}`);
  return session.samples.every(({ value }) => value !== null) ? 0 : 1;
}

async function main(): Promise<number> {
  const names = { contenders: contenders.map(({ name }) => name), loads: loads.map(({ name }) => name) };
  try {
    const options = benchOptions(process.argv.slice(2), names);
    if (options !== 'help')
      return await (options.against === null ? bench(options) : compareWith(options, say));
    console.log(benchHelp(names));
    return 0;
  } catch (error) {
    if (!(error instanceof BenchUsageError)) throw error;
    say(error.message);
    return 2;
  }
}

process.exitCode = await main();
