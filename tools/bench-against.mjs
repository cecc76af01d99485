// SPDX-License-Identifier: Apache-2.0
// `node tools/bench-against.mjs`: the quick benchmark of CI. Builds this checkout as `npm test` would, then compares it with
// the merge base; bench/README.md tells which that is.
import { compileAndRun } from './bench-compile.mjs';
import { ensureBuilt } from './bootstrap.mjs';

await ensureBuilt();
process.exitCode = compileAndRun('run', ['--against', 'auto']);
