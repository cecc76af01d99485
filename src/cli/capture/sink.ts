// SPDX-License-Identifier: Apache-2.0
/** Where a capture is written: a file of its own, or stdout for a program that reads along. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';

import { VsnatError, type ErrorCode } from '../../errors.js';
import type { Sink } from './capture.js';

/** A reader that is further behind than this loses packets, and is told how many. */
const mostWaitingBytes = 64 * 1024 * 1024;

/** A capture holds what clients say to servers: nobody else may read it. `onFailed`: no more of it can be written. */
export async function fileSink(file: string, onFailed: () => void): Promise<Sink> {
  const stream = createWriteStream(file, { mode: 0o600 });
  try {
    await once(stream, 'open');
  } catch (cause) {
    throw unwritable('VSNAT_USAGE', `${file} must be a file that can be written`, cause);
  }
  let failure: unknown = null;
  stream.on('error', (error) => {
    failure = error;
    onFailed();
  });
  return {
    write: (bytes) => isTaken(stream, bytes),
    close: async () => {
      stream.end();
      await finished(stream).catch((error: unknown) => (failure ??= error));
      if (failure !== null) throw unwritable('VSNAT_OUTPUT', `${file} must take what is captured`, failure);
    },
  };
}

function unwritable(code: ErrorCode, must: string, cause: unknown): VsnatError {
  const got = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return new VsnatError(code, `capture: ${must}, got ${got}`, { cause });
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
