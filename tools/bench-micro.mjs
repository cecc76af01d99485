// SPDX-License-Identifier: Apache-2.0
// `npm run bench:micro`: what one packet costs, measured without a device. Compiles bench/micro/step.cc against the core
// the addon is made of, and runs it; arguments go to the program. See bench/README.md.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

import { ensureBuilt, root } from './bootstrap.mjs';

const program = path.join(root, '.cache/step');
const run = (command, argv) => spawnSync(command, argv, { cwd: root, stdio: 'inherit' }).status ?? 1;

await ensureBuilt();
mkdirSync(path.dirname(program), { recursive: true });
const flags = ['-std=c++20', '-O2', '-fno-exceptions', '-fno-rtti', '-Inative'];
const core = 'build/Release/obj.target/vsnat_core.a';
const compiled = run('g++', [...flags, 'bench/micro/step.cc', core, '-o', program]);
process.exitCode = compiled || run(program, process.argv.slice(2));
