// SPDX-License-Identifier: Apache-2.0
/**
 * node tools/bench-report.mjs RESULTS.json...: docs/benchmarks.md, docs/benchmarks/*.svg and the table of README.md from the
 * samples of one run or of several; of a file in bench/results/profile, the part of the page about a packet's time; of one in bench/results/micro,
 * docs/microbenchmarks.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../../test/netns/support/project-root.js';
import { readMicroResults } from '../microbench/results.js';
import { microParts } from '../microbench/tables.js';
import { kindOf } from './files.js';
import { fill, fillParts, PageError, partsOf } from './pages.js';
import { profileTable, readProfile } from './profile.js';
import { readResults, ResultsError } from './results.js';

const docs = path.join(projectRoot, 'docs');
const page = path.join(docs, 'benchmarks.md');
const readme = path.join(projectRoot, 'README.md');

function writePage(first: string, others: readonly string[]): string {
  const folder = path.join(docs, 'benchmarks');
  const { parts, charts } = partsOf([readResults(first), ...others.map(readResults)], 'benchmarks');
  const filled = fill(readFileSync(page, 'utf8'), parts);
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of charts) writeFileSync(path.join(folder, name), svg);
  writeFileSync(page, filled);
  const summary = new Map([['summary', parts.get('summary') ?? '']]);
  writeFileSync(readme, fillParts(readFileSync(readme, 'utf8'), summary));
  return `docs/benchmarks.md, ${charts.size} charts and the table of README.md from ${[first, ...others].join(', ')}`;
}

function writeProfile(file: string): string {
  const parts = new Map([['profile', profileTable(readProfile(file))]]);
  writeFileSync(page, fillParts(readFileSync(page, 'utf8'), parts));
  return `docs/benchmarks.md, where the time goes, from ${file}`;
}

/** A run of times and one of counts fill different parts. */
function writeMicroPage(file: string): string {
  const microPage = path.join(docs, 'microbenchmarks.md');
  const parts = microParts(readMicroResults(file));
  writeFileSync(microPage, fillParts(readFileSync(microPage, 'utf8'), parts));
  return `docs/microbenchmarks.md, ${parts.size} parts from ${file}`;
}

function written(first: string, others: readonly string[]): string {
  const kind = others.length === 0 ? kindOf(first) : undefined;
  if (kind === 'micro') return writeMicroPage(first);
  if (kind === 'profile') return writeProfile(first);
  return writePage(first, others);
}

function main(argv: readonly string[]): number {
  const [first, ...others] = argv;
  if (first === undefined || argv.some((file) => file.startsWith('-'))) {
    console.error('usage: node tools/bench-report.mjs bench/results/FILE.json [FILE.json]...');
    return 2;
  }
  try {
    console.log(written(first, others));
    return 0;
  } catch (error) {
    if (!(error instanceof ResultsError || error instanceof PageError)) throw error;
    console.error(error.message);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
