// SPDX-License-Identifier: Apache-2.0
/** Answers to what never became a request: broken, too long or too slow. They have the shape of all other errors. */
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import type { ErrorAnswer } from './api.js';
import type { OnRejected } from './gate.js';

const sentences: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  400: ['Bad Request', 'request: must be HTTP/1.1'],
  408: ['Request Timeout', 'request: must be whole in time'],
  431: ['Request Header Fields Too Large', 'headers: must be at most 8 KiB'],
};

export function answerBrokenRequests(server: Server, onRejected: OnRejected): void {
  /** The answer under way on a connection: what is written beside it would be taken for a part of it. */
  const underWay = new WeakMap<Duplex, ServerResponse>();
  server.prependListener('request', ({ socket }, response) => {
    underWay.set(socket, response);
    response.once('close', () => underWay.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    onRejected('request', '');
    const isAnswered = underWay.get(socket)?.headersSent === true;
    socket.end(isAnswered ? undefined : answerTo(error.code), () => socket.destroy());
  });
}

function answerTo(code = ''): string {
  const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const [reason, message] = sentences[status] ?? ['Bad Request', ''];
  const body = `${JSON.stringify({ error: { code: 'HTTP', message } } satisfies ErrorAnswer)}\n`;
  return (
    `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
    `cache-control: no-store\r\nx-content-type-options: nosniff\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
