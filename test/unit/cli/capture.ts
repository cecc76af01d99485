// SPDX-License-Identifier: Apache-2.0
/** Runs a command line and keeps what it says. */
import { Readable } from 'node:stream';

import type { Streams } from '../../../src/cli/io.js';
import { runCli } from '../../../src/cli/program.js';

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Captured {
  readonly streams: Streams;
  readonly said: { out: string; err: string };
}

export function capture(env: Streams['env'] = {}, isTTY = false, input = ''): Captured {
  const said = { out: '', err: '' };
  const streams: Streams = {
    stdout: { isTTY, write: (text) => (said.out += text) },
    stderr: { write: (text) => (said.err += text) },
    stdin: Readable.from([input]),
    env,
  };
  return { streams, said };
}

export async function vsnat(argv: readonly string[], env: Streams['env'] = {}, input = ''): Promise<Said> {
  const { streams, said } = capture(env, false, input);
  const code = await runCli(argv, streams);
  return { code, ...said };
}
