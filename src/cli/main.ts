// SPDX-License-Identifier: Apache-2.0
/**
 * Where the process begins. The exit code is set, not forced: the process ends when nothing is left to do, and native
 * threads are joined by then.
 */
import { basename } from 'node:path';

import { exitCodes } from '../errors.js';
import { runStartedAs } from './started-as.js';

// A reader that closes early (`vsnat flows | head`) has what it wanted. A full disk has not.
const unwritten = new Set<string>();
for (const stream of [process.stdout, process.stderr])
  stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return;
    if (unwritten.size === 0 && stream === process.stdout)
      process.stderr.write(`vsnat: standard output: must take the answer, got ${code ?? message}\n`);
    unwritten.add(code ?? message);
    process.exitCode = exitCodes.failed;
  });

process.exitCode = exitCodes.failed; // until we know better: also when the loop runs dry before the answer
const [, startedAs = '', ...words] = process.argv;
const exitCode = await runStartedAs(basename(startedAs), words, process);
process.exitCode = unwritten.size === 0 ? exitCode : exitCodes.failed;
