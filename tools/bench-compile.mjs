// SPDX-License-Identifier: Apache-2.0
// The harness is TypeScript: compiles bench/ into .cache and runs one of its programs.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const run = (...argv) => spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' }).status ?? 1;

/** The program's exit code, or the compiler's. */
export const compileAndRun = (program, argv) =>
  run('node_modules/typescript/bin/tsc', '-p', 'bench/tsconfig.json') ||
  run(`.cache/bench-js/bench/${program}.js`, ...argv);
