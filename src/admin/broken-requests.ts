// SPDX-License-Identifier: Apache-2.0
/** Answers to what never became a request: broken, too long or too slow. They have the shape of all other errors. */
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import type { ErrorAnswer } from './api.js';
import type { OnRejected } from './gate.js';

interface BrokenAnswer {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
}

const broken: BrokenAnswer = { status: 400, reason: 'Bad Request', message: 'request: must be HTTP/1.1' };

/** By the code of node:http's error. */
const answers: Readonly<Record<string, BrokenAnswer>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    reason: 'Request Timeout',
    message: 'request: must be whole in time',
  },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    reason: 'Request Header Fields Too Large',
    message: 'headers: must be at most 8 KiB',
  },
};

const tunnel: BrokenAnswer = {
  status: 405,
  reason: 'Method Not Allowed',
  message: 'method: must be GET, HEAD, POST or DELETE',
};

const expectation: BrokenAnswer = {
  status: 417,
  reason: 'Expectation Failed',
  message: 'expect: must be 100-continue or left out',
};

export function answerBrokenRequests(server: Server, onRejected: OnRejected): void {
  /** The last answer under way on a connection: what is written beside it would be taken for a part of it. */
  const underWay = new WeakMap<Duplex, ServerResponse>();
  const refused = new WeakSet<Duplex>(); // a parser that has failed does so again with whatever else comes
  const refuse = (socket: Duplex, answer: BrokenAnswer): void => {
    if (refused.has(socket)) return;
    refused.add(socket);
    onRejected('request', '');
    const end = (text?: string): unknown => socket.end(text, () => socket.destroy());
    const last = underWay.get(socket);
    if (last?.headersSent === true) end();
    else if (last?.req.complete === true)
      last.once('finish', () => end(asText(answer))); // what came behind it is broken
    else end(asText(answer));
  };
  server.prependListener('request', ({ socket }, response) => {
    underWay.set(socket, response);
    response.once('close', () => underWay.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else refuse(socket, answers[error.code ?? ''] ?? broken);
  });
  // Without listeners node:http hangs up on the one and answers the other with no body.
  server.on('connect', (_, socket) => {
    socket.on('error', () => socket.destroy()); // it is nobody's else from here on
    if (underWay.has(socket)) socket.destroy();
    else refuse(socket, tunnel);
  });
  server.on('checkExpectation', (_, response) => {
    onRejected('request', '');
    const { status, reason, message } = expectation;
    response.writeHead(status, reason, fieldsOf(message)).end(bodyOf(message));
  });
}

const bodyOf = (message: string): string =>
  `${JSON.stringify({ error: { code: 'HTTP', message } } satisfies ErrorAnswer)}\n`;

const fieldsOf = (message: string): Readonly<Record<string, string>> => ({
  connection: 'close',
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-length': String(Buffer.byteLength(bodyOf(message))),
});

function asText({ status, reason, message }: BrokenAnswer): string {
  const fields = Object.entries(fieldsOf(message)).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${reason}`, ...fields, '', bodyOf(message)].join('\r\n');
}
