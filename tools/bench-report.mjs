// SPDX-License-Identifier: Apache-2.0
// `node tools/bench-report.mjs bench/results/FILE.json...`: puts the tables and charts of a run, or of several, into
// docs/benchmarks.md; of a file in bench/results/profile where the time goes; of one in bench/results/micro, docs/microbenchmarks.md.
import { compileAndRun } from './bench-compile.mjs';

process.exitCode = compileAndRun('report/write-pages', process.argv.slice(2));
