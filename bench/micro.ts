// SPDX-License-Identifier: Apache-2.0
/** npm run bench:micro -- [OPTION]... (microbench/options.ts); bench/README.md says what is measured, and how. */
import path from 'node:path';
import { projectRoot } from '../test/netns/support/project-root.js';
import { count } from './microbench/counts.js';
import { microHelp, microOptions, type MicroOptions } from './microbench/options.js';
import { build, casesOf, MicroError, runsOf, time } from './microbench/program.js';
import { writeMicroResults, type MicroResults, type MicroSample } from './microbench/results.js';
import { everyMicroTable } from './microbench/tables.js';
import { BenchUsageError } from './options.js';
import { provenance } from './provenance.js';

/** Rounds one after the other, each of all groups: what the machine does meanwhile falls on all of them. */
function measured(names: readonly string[], options: MicroOptions): MicroSample[] {
  const runs = runsOf(names, options);
  if (options.what === 'counts') return runs.flatMap(count);
  const samples: MicroSample[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    console.error(`round ${round} of ${options.rounds}`);
    for (const argv of runs) samples.push(...time(argv, options, round));
  }
  return samples;
}

function bench(options: MicroOptions): number {
  const began = performance.now();
  const head = provenance(process.argv.slice(2));
  const notes = build();
  const names = casesOf(options);
  if (names.length === 0)
    throw new MicroError(`--filter: no case has a match for "${options.filter}"; see --list`);
  if (options.what === 'list') {
    console.log(names.join('\n'));
    return 0;
  }
  const samples = measured(names, options);
  const results: MicroResults = {
    kind: 'micro',
    what: options.what,
    ...head,
    command: ['npm run bench:micro --', ...process.argv.slice(2)].join(' '),
    rounds: options.what === 'counts' ? 1 : options.rounds,
    tookSeconds: (performance.now() - began) / 1000,
    notes,
    samples,
  };
  const file = writeMicroResults(path.join(projectRoot, 'bench/results/micro'), results);
  console.log(everyMicroTable(results));
  console.log(`\nSamples: ${path.relative(projectRoot, file)}`);
  return 0;
}

function main(): number {
  try {
    const options = microOptions(process.argv.slice(2));
    if (options !== 'help') return bench(options);
    console.log(microHelp);
    return 0;
  } catch (error) {
    if (!(error instanceof BenchUsageError || error instanceof MicroError)) throw error;
    console.error(error.message);
    return error instanceof BenchUsageError ? 2 : 1;
  }
}

process.exitCode = main();
