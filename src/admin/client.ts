// SPDX-License-Identifier: Apache-2.0
/** Asking a daemon over its admin socket. fetch() cannot use unix sockets, so this is node:http. */
import { request } from 'node:http';

import { VsnatError } from '../errors.js';

export interface JsonAnswer {
  readonly status: number;
  readonly body: unknown;
}

export const getJson = (socket: string, path: string, timeoutMs = 10_000): Promise<JsonAnswer> =>
  ask(socket, 'GET', path, timeoutMs);

export const postJson = (
  socket: string,
  path: string,
  timeoutMs = 60_000,
  body?: unknown,
): Promise<JsonAnswer> => ask(socket, 'POST', path, timeoutMs, body);

/** No answer of ours comes near this; a daemon that sends more is not one. */
const maxAnswerBytes = 64 * 1024 * 1024;

function ask(
  socketPath: string,
  method: string,
  path: string,
  timeoutMs: number,
  body?: unknown,
): Promise<JsonAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(unreachable(socketPath, cause));
    const asked = request({ socketPath, method, path, headers: { host: 'vsnat' } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
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
    const deadline = setTimeout(
      () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    asked.on('close', () => clearTimeout(deadline));
    asked.on('error', fail);
    asked.on('socket', (socket) => {
      if (socket.listenerCount('error', ignore) === 0) socket.on('error', ignore);
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/**
 * While a request is under way its errors go to fail(). Afterwards they are nobody's: Node may still think it writes a
 * long body that was read, answered and hung up on, and would throw the EPIPE at the process.
 */
const ignore = (): void => undefined;

function unreachable(socket: string, cause: Error): VsnatError {
  const code = 'code' in cause ? String(cause.code) : '';
  const advice =
    code === 'EACCES' || code === 'EPERM'
      ? 'run as root or as a member of the socket file’s group'
      : 'start it with `vsnat run -c FILE`, or name its socket with --socket PATH';
  return new VsnatError(
    'VSNAT_UNREACHABLE',
    `${socket}: must be the socket of a running daemon, got ${code || cause.message}; ${advice}`,
    {
      cause,
    },
  );
}
