// SPDX-License-Identifier: Apache-2.0
/** Where a capture is written: a file of its own, or stdout for a program that reads along. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';

import { VsnatError } from '../../errors.js';
import type { Sink } from './capture.js';

/** A reader that is further behind than this loses packets, and is told how many. */
const mostWaitingBytes = 64 * 1024 * 1024;

/** A capture holds what clients say to servers: nobody else may read it. */
export async function fileSink(file: string): Promise<Sink> {
  const stream = createWriteStream(file, { mode: 0o600 });
  try {
    await once(stream, 'open');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new VsnatError('VSNAT_USAGE', `capture: ${file} must be a file that can be written, got ${code}`, {
      cause,
    });
  }
  let failure: Error | null = null;
  stream.on('error', (error) => (failure = error));
  return {
    write: (bytes) => isTaken(stream, bytes),
    close: async () => {
      stream.end();
      await finished(stream).catch((error: unknown) => (failure ??= error as Error));
      if (failure !== null) throw failure;
    },
  };
}

/** What the process says elsewhere about a closed pipe holds here as well. */
export const stdoutSink = (stdout: Writable): Promise<Sink> =>
  Promise.resolve({
    write: (bytes) => isTaken(stdout, bytes),
    close: () =>
      new Promise((resolve) => {
        if (stdout.destroyed || !stdout.writable) resolve();
        else stdout.write('', () => resolve());
      }),
  });

function isTaken(stream: Writable, bytes: Buffer): boolean {
  if (!stream.writable || stream.writableLength > mostWaitingBytes) return false;
  stream.write(bytes);
  return true;
}
