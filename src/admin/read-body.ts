// SPDX-License-Identifier: Apache-2.0
/** A request's body: bounded before it is kept, and JSON before anything looks at it. */
import type { IncomingMessage } from 'node:http';

import { shown } from './read-values.js';
import { HttpRefusal, usage } from './refusal.js';
import { jsonType } from './route.js';
import { scanJson } from './scan-json.js';

/** Refuses what is too long before the first byte of it where the request says so, and at the bound where it does not. */
export async function readBody(request: IncomingMessage, limit: number): Promise<string> {
  const tooLong = new HttpRefusal(413, `body: must be at most ${limit} bytes`, { connection: 'close' });
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLong;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Left early the request must stay as it is: its connection has an answer to carry yet.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > limit) throw tooLong;
      chunks.push(chunk);
    }
  } catch (error) {
    if (error === tooLong) throw tooLong;
    throw new HttpRefusal(400, 'body: must be whole, got one that was cut off', { connection: 'close' });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A body that is packed may be any size once it is not, and one of another type is not meant for this API. */
export function checkBodyHeaders({ headers }: IncomingMessage): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new HttpRefusal(415, 'content-encoding: must be left out; send the body as it is', {
      'accept-encoding': 'identity',
      connection: 'close',
    });
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== undefined && type !== jsonType)
    throw new HttpRefusal(415, `content-type: must be ${jsonType}; with curl, send the body with --json`, {
      connection: 'close',
    });
}

/** In steps, but for the parsing itself, of what has been bounded before. */
export function* parseJson(text: string): Generator<void, unknown, undefined> {
  const repeated = yield* scanJson(text);
  const value = parsed(text);
  if (repeated !== undefined)
    throw usage('body', `have each name once in an object, got ${shown(repeated)} twice`);
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw usage('body', 'be JSON');
  }
}
