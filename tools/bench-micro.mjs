// SPDX-License-Identifier: Apache-2.0
// `npm run bench:micro`: what the parts of the packet path cost, measured without a device. Compiles the harness and, with it,
// the program of bench/micro against the core the addon is made of. See bench/README.md.
import { compileAndRun } from './bench-compile.mjs';
import { ensureBuilt } from './bootstrap.mjs';

await ensureBuilt();
process.exitCode = compileAndRun('micro', process.argv.slice(2));
