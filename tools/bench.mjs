// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: compiles the harness (bench/*.ts) and runs it; `npm run bench -- config` measures how configurations
// are read instead, `-- health` what health checks cost, `-- failover` how long a dead server still gets connections,
// `-- scrape` how long scrapes take, `-- stalls` for how long it and others hold up the event loop, `-- scale` what a change costs, `-- profile` where a packet's time goes, `-- reloads` what reloads lose.
import { compileAndRun } from './bench-compile.mjs';
import { ensureBuilt } from './bootstrap.mjs';

await ensureBuilt(); // numbers of an addon older than its sources would be told of the wrong commit
const [what, ...rest] = process.argv.slice(2);
const ownPrograms = ['config', 'failover', 'health', 'profile', 'reloads', 'scale', 'scrape', 'stalls'];
process.exitCode = ownPrograms.includes(what)
  ? compileAndRun(what, rest)
  : compileAndRun('run', process.argv.slice(2));
