// SPDX-License-Identifier: Apache-2.0
/**
 * The names scripts know. Under ipvsadm's, and those of its two companions, this program is what its name says;
 * ipvsadm-restore goes rule by rule as the original does, `vsnat restore` is the one that is all or nothing.
 */
import { Readable } from 'node:stream';

import { exitCodes } from '../errors.js';
import { Io, type Streams } from './io.js';
import { runCli } from './program.js';

/** `name` without its folder. */
export async function runStartedAs(
  name: string,
  words: readonly string[],
  streams: Streams,
): Promise<number> {
  switch (name) {
    case 'ipvsadm':
      return runCli(['ipvsadm', ...words], streams);
    case 'ipvsadm-save':
      return save(words, streams);
    case 'ipvsadm-restore':
      return restore(streams);
    default:
      return runCli(words, streams);
  }
}

async function save(words: readonly string[], streams: Streams): Promise<number> {
  const unknown = words.find((word) => word.startsWith('-') && word !== '-n');
  if (unknown !== undefined) {
    new Io(streams).complain('ipvsadm-save: prints the services as rules, with -n in numbers');
    return exitCodes.failed;
  }
  return runCli(['ipvsadm', '-S', ...words.filter((word) => word === '-n')], streams);
}

/** Read first, cleared then: a broken pipe must not cost the table. */
async function restore(streams: Streams): Promise<number> {
  const text = await new Io(streams).input();
  const rules = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');
  const cleared = await runCli(['ipvsadm', '-C'], streams);
  if (cleared !== exitCodes.ok) return cleared;
  return runCli(['ipvsadm', '-R'], {
    stdout: streams.stdout,
    stderr: streams.stderr,
    env: streams.env,
    stdin: Readable.from([rules]),
  });
}
