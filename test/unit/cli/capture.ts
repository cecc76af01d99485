// SPDX-License-Identifier: Apache-2.0
/** Runs a command line and keeps what it says. */
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

export function capture(env: Streams['env'] = {}, isTTY = false): Captured {
  const said = { out: '', err: '' };
  const streams: Streams = {
    stdout: { isTTY, write: (text) => (said.out += text) },
    stderr: { write: (text) => (said.err += text) },
    env,
  };
  return { streams, said };
}

export async function vsnat(argv: readonly string[], env: Streams['env'] = {}): Promise<Said> {
  const { streams, said } = capture(env);
  const code = await runCli(argv, streams);
  return { code, ...said };
}
