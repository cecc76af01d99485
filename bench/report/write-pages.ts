// SPDX-License-Identifier: Apache-2.0
/** node tools/bench-report.mjs RESULTS.json: docs/benchmarks.md and docs/benchmarks/*.svg from a run's samples. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { projectRoot } from '../../test/netns/support/project-root.js';
import { PageError, fill, partsOf } from './pages.js';
import { readResults, ResultsError } from './results.js';

function main(argv: readonly string[]): number {
  const [file, ...rest] = argv;
  if (file === undefined || rest.length > 0 || file.startsWith('-')) {
    console.error('usage: node tools/bench-report.mjs bench/results/FILE.json');
    return 2;
  }
  try {
    const page = path.join(projectRoot, 'docs/benchmarks.md');
    const folder = path.join(projectRoot, 'docs/benchmarks');
    const { parts, charts } = partsOf(readResults(file), 'benchmarks');
    const filled = fill(readFileSync(page, 'utf8'), parts);
    mkdirSync(folder, { recursive: true });
    for (const [name, svg] of charts) writeFileSync(path.join(folder, name), svg);
    writeFileSync(page, filled);
    console.log(`docs/benchmarks.md and ${charts.size} charts from ${file}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ResultsError || error instanceof PageError)) throw error;
    console.error(error.message);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
