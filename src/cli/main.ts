// SPDX-License-Identifier: Apache-2.0
/**
 * Where the process begins. The exit code is set, not forced: the process ends when nothing is left to do, and native
 * threads are joined by then.
 */
import { basename } from 'node:path';

import { exitCodes } from '../errors.js';
import { runStartedAs } from './started-as.js';

// A reader that closes early (`vsnat flows | head`) has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = exitCodes.failed; // until we know better: also when the loop runs dry before the answer
const [, startedAs = '', ...words] = process.argv;
process.exitCode = await runStartedAs(basename(startedAs), words, process);
