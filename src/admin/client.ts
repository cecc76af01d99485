// SPDX-License-Identifier: Apache-2.0
/** Asking a daemon over its admin API. fetch() cannot use unix sockets, so this is node:http. */
import type { ClientRequest, IncomingMessage } from 'node:http';

import { VsnatError } from '../errors.js';
import { peerOf, requestTo, type Peer } from './peer.js';

export interface JsonAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** The revision the change is made for. */
  readonly ifMatch?: string;
  readonly timeoutMs?: number;
  /** Gives it up. */
  readonly signal?: AbortSignal | undefined;
}

export const getJson = (
  where: string | Peer,
  path: string,
  timeoutMs = 10_000,
  signal?: AbortSignal,
): Promise<JsonAnswer> => askJson(where, { method: 'GET', path, timeoutMs, signal });

export const postJson = (
  where: string | Peer,
  path: string,
  timeoutMs = 60_000,
  body?: unknown,
): Promise<JsonAnswer> => askJson(where, { method: 'POST', path, timeoutMs, body });

/** No answer of ours comes near this; a daemon that sends more is not one. */
const maxAnswerBytes = 256 * 1024 * 1024;

/** `where`: a socket's path, or a peer. Throws VSNAT_UNREACHABLE. */
export async function askJson(where: string | Peer, question: Question): Promise<JsonAnswer> {
  const { method, path, body, ifMatch, timeoutMs = 60_000, signal } = question;
  const peer = typeof where === 'string' ? peerOf(where) : where;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const { response, asked } = await ask(peer, {
    method,
    path,
    headers: {
      ...(text !== undefined && { 'content-type': 'application/json' }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    text,
    timeoutMs,
    signal,
  });
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(unreachable(peer, cause));
    const chunks: Buffer[] = [];
    let bytes = 0;
    asked.on('error', fail);
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > maxAnswerBytes) response.destroy(new Error('the answer does not end'));
    });
    response.on('error', fail);
    response.on('end', () => {
      try {
        resolve({
          status: response.statusCode ?? 0,
          body: JSON.parse(Buffer.concat(chunks).toString('utf8')),
        });
      } catch {
        fail(new Error('the answer is not JSON'));
      }
    });
  });
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text?: string | undefined;
  /** Until the answer has ended; 0: it may go on. */
  readonly timeoutMs: number;
  /** Until the answer begins, when it may go on. */
  readonly headMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Called {
  readonly response: IncomingMessage;
  readonly asked: ClientRequest;
}

/** Resolves when the head of the answer is there. */
export async function ask(peer: Peer, call: Call): Promise<Called> {
  const { method, path, headers, text, timeoutMs, headMs = timeoutMs, signal } = call;
  const options = { method, path, ...(signal === undefined ? {} : { signal }) };
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(unreachable(peer, cause));
    let deadline: NodeJS.Timeout | undefined;
    requestTo(peer, options, headers, (response) => {
      if (timeoutMs === 0) clearTimeout(deadline);
      resolve({ response, asked });
    }).then((made) => {
      asked = made;
      const patience = timeoutMs === 0 ? headMs : timeoutMs;
      deadline = setTimeout(() => made.destroy(new Error(`no answer within ${patience} ms`)), patience);
      made.on('close', () => clearTimeout(deadline));
      made.on('error', fail);
      made.on('socket', (socket) => {
        if (socket.listenerCount('error', ignore) === 0) socket.on('error', ignore);
      });
      made.end(text);
    }, fail);
    let asked: ClientRequest;
  });
}

/**
 * While a request is under way its errors go to fail(). Afterwards they are nobody's: Node may still think it writes a
 * long body that was read, answered and hung up on, and would throw the EPIPE at the process.
 */
const ignore = (): void => undefined;

/** Whether nobody is there, or somebody whom one may not ask. */
export function unreachable({ name, options }: Peer, cause: Error): VsnatError {
  const code = 'code' in cause ? String(cause.code) : '';
  const isForbidden = code === 'EACCES' || code === 'EPERM';
  if (isForbidden && 'socketPath' in options)
    return new VsnatError(
      'VSNAT_NO_PERMISSION',
      `${name}: must be a socket this user may write to, got ${code}; run as root or as a member of the socket file’s group`,
      { cause },
    );
  return new VsnatError(
    'VSNAT_UNREACHABLE',
    `${name}: must be the ${'socketPath' in options ? 'socket' : 'address'} of a running daemon, got ${code || cause.message}; ${advice(code)}`,
    { cause },
  );
}

function advice(code: string): string {
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code))
    return 'name the authority of its certificate with --ca (or VSNAT_CA)';
  return 'start it with `vsnat run -c FILE`, or name its socket with --socket PATH';
}
