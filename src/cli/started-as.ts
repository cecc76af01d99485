// SPDX-License-Identifier: Apache-2.0
/**
 * The names scripts know. Under ipvsadm's, and those of its two companions, this program is what its name says;
 * ipvsadm-restore goes rule by rule as the original does, `vsnat restore` is the one that is all or nothing.
 *
 * ipvsadm has no need of our own command line and what hangs on it, which is loaded for the others only.
 */
import { Readable } from 'node:stream';

import { exitCodes } from '../errors.js';
import { defaultSocket } from './ask.js';
import { endedBy } from './ended-by.js';
import { Io, type Streams } from './io.js';

/** `name` without its folder. */
export async function runStartedAs(
  name: string,
  words: readonly string[],
  streams: Streams,
): Promise<number> {
  switch (name) {
    case 'ipvsadm':
      return ipvsadm(words, streams);
    case 'ipvsadm-save':
      return save(words, streams);
    case 'ipvsadm-restore':
      return restore(streams);
    default:
      return words[0] === 'ipvsadm' ? ipvsadm(words.slice(1), streams) : ourOwn(words, streams);
  }
}

async function ourOwn(words: readonly string[], streams: Streams): Promise<number> {
  const { runCli } = await import('./program.js');
  return runCli(words, streams);
}

async function ipvsadm(words: readonly string[], streams: Streams): Promise<number> {
  const io = new Io(streams);
  const { ipvsadmCommand } = await import('./ipvsadm-command.js');
  const socket = io.env['VSNAT_SOCKET'] || defaultSocket;
  try {
    return await ipvsadmCommand(words, socket, io);
  } catch (error) {
    return endedBy(error, io, socket);
  }
}

async function save(words: readonly string[], streams: Streams): Promise<number> {
  const unknown = words.find((word) => word.startsWith('-') && word !== '-n');
  if (unknown !== undefined) {
    new Io(streams).complain('ipvsadm-save: prints the services as rules, with -n in numbers');
    return exitCodes.failed;
  }
  return ipvsadm(['-S', ...words.filter((word) => word === '-n')], streams);
}

/** Read first, cleared then: a broken pipe must not cost the table. */
async function restore(streams: Streams): Promise<number> {
  const text = await new Io(streams).input();
  const rules = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n');
  const cleared = await ipvsadm(['-C'], streams);
  if (cleared !== exitCodes.ok) return cleared;
  return ipvsadm(['-R'], {
    stdout: streams.stdout,
    stderr: streams.stderr,
    env: streams.env,
    stdin: Readable.from([rules]),
  });
}
