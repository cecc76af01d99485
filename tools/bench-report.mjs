// SPDX-License-Identifier: Apache-2.0
// `node tools/bench-report.mjs bench/results/FILE.json`: puts the tables and charts of that run into docs/benchmarks.md.
import { compileAndRun } from './bench-compile.mjs';

process.exitCode = compileAndRun('report/write-pages', process.argv.slice(2));
