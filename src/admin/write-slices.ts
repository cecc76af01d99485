// SPDX-License-Identifier: Apache-2.0
/**
 * Writes a text that comes in pieces without holding anything else up: for a few milliseconds at a time, then everybody
 * else has a turn, and no faster than the peer reads. So an answer about a hundred thousand servers delays a health check
 * by one slice, and is never in memory whole.
 */
import type { ServerResponse } from 'node:http';

import { Pace } from '../pace.js';

/** However little time it took to make them. */
const sliceChars = 256 * 1024;

interface Slice {
  readonly text: string;
  readonly isLast: boolean;
}

/** Ends the response. A text that fits into one slice goes out with its length, as any other. */
export async function writeSlices(
  response: ServerResponse,
  type: string,
  pieces: Iterator<string, void, undefined>,
  now?: () => number,
): Promise<void> {
  const pace = new Pace(now);
  const isHead = response.req.method === 'HEAD';
  try {
    let slice = nextSlice(pieces, pace);
    const length = slice.isLast ? { 'content-length': Buffer.byteLength(slice.text) } : {};
    response.writeHead(200, { 'content-type': type, ...length });
    while (!isHead && !slice.isLast) {
      if (!response.write(slice.text)) await untilTaken(response);
      await pace.rest();
      if (response.destroyed) return;
      slice = nextSlice(pieces, pace);
    }
    response.end(isHead ? undefined : slice.text);
  } finally {
    pieces.return?.();
  }
}

/** Resolves when the peer has taken what was written, or has gone. */
function untilTaken(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      response.off('drain', end).off('close', end);
      resolve();
    };
    if (response.destroyed) resolve();
    else response.on('drain', end).on('close', end);
  });
}

function nextSlice(pieces: Iterator<string, void, undefined>, pace: Pace): Slice {
  let text = '';
  do {
    const piece = pieces.next();
    if (piece.done === true) return { text, isLast: true };
    text += piece.value;
  } while (text.length < sliceChars && !pace.isOver);
  return { text, isLast: false };
}
