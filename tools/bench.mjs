// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: compiles the harness (bench/*.ts) and runs it; `npm run bench -- config` measures how configurations
// are read instead, `-- health` what health checks cost, `-- scrape` how long scrapes take, `-- scale` what a change costs.
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const run = (...argv) => spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' }).status ?? 1;

const compiled = run('node_modules/typescript/bin/tsc', '-p', 'bench/tsconfig.json');
const [what, ...rest] = process.argv.slice(2);
const ownPrograms = ['config', 'health', 'scale', 'scrape'];
process.exitCode =
  compiled ||
  (ownPrograms.includes(what)
    ? run(`.cache/bench-js/bench/${what}.js`, ...rest)
    : run('.cache/bench-js/bench/run.js', ...process.argv.slice(2)));
