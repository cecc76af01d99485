// SPDX-License-Identifier: Apache-2.0
/**
 * node tools/bench-report.mjs RESULTS.json: docs/benchmarks.md and docs/benchmarks/*.svg from a run's samples; of a file in
 * bench/results/micro, docs/microbenchmarks.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../../test/netns/support/project-root.js';
import { isMicro, readMicroResults } from '../microbench/results.js';
import { microParts } from '../microbench/tables.js';
import { fill, fillParts, PageError, partsOf } from './pages.js';
import { readResults, ResultsError } from './results.js';

const docs = path.join(projectRoot, 'docs');

function writePage(file: string): string {
  const page = path.join(docs, 'benchmarks.md');
  const folder = path.join(docs, 'benchmarks');
  const { parts, charts } = partsOf(readResults(file), 'benchmarks');
  const filled = fill(readFileSync(page, 'utf8'), parts);
  mkdirSync(folder, { recursive: true });
  for (const [name, svg] of charts) writeFileSync(path.join(folder, name), svg);
  writeFileSync(page, filled);
  return `docs/benchmarks.md and ${charts.size} charts from ${file}`;
}

/** A run of times and one of counts fill different parts. */
function writeMicroPage(file: string): string {
  const page = path.join(docs, 'microbenchmarks.md');
  const parts = microParts(readMicroResults(file));
  writeFileSync(page, fillParts(readFileSync(page, 'utf8'), parts));
  return `docs/microbenchmarks.md, ${parts.size} parts from ${file}`;
}

function main(argv: readonly string[]): number {
  const [file, ...rest] = argv;
  if (file === undefined || rest.length > 0 || file.startsWith('-')) {
    console.error('usage: node tools/bench-report.mjs bench/results/FILE.json');
    return 2;
  }
  try {
    console.log(isMicro(file) ? writeMicroPage(file) : writePage(file));
    return 0;
  } catch (error) {
    if (!(error instanceof ResultsError || error instanceof PageError)) throw error;
    console.error(error.message);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
