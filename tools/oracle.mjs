// SPDX-License-Identifier: Apache-2.0
// `node tools/oracle.mjs record|compare`: compiles the oracle (test/oracle/cli.ts) and runs it. See test/oracle/README.md.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { ensureBuilt } from './bootstrap.mjs';

const root = path.resolve(import.meta.dirname, '..');
const run = (...argv) => spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' }).status ?? 1;

await ensureBuilt();
const compiled = run('node_modules/typescript/bin/tsc', '-p', 'test/oracle/tsconfig.json');
process.exitCode = compiled || run('.cache/oracle-js/test/oracle/cli.js', ...process.argv.slice(2));
