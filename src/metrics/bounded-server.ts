// SPDX-License-Identifier: Apache-2.0
/**
 * node:http with every limit set. Node's own defaults suit a public site behind a proxy (a minute for headers, five
 * for a request, any number of connections); these servers answer a scraper and an operator, and must not
 * be a way to hurt the daemon that moves the packets.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export const serverLimits = {
  headerBytes: 8 * 1024,
  headersMs: 5_000,
  requestMs: 10_000,
  handshakeMs: 5_000,
  /** Silence on a socket, also from a peer that does not read its answer. */
  idleMs: 15_000,
  connections: 64,
} as const;

export type ServerLimits = Readonly<Record<keyof typeof serverLimits, number>>;

export interface BoundedOptions {
  /** Certificates, and whom to ask for one; plain HTTP when left out. */
  readonly tls?: ServerOptions;
  /** Others than the usual ones, for tests. */
  readonly limits?: Partial<ServerLimits>;
  /** Of HTTP/1.1: refused by node:http, with an empty 400, unless the handler does it. */
  readonly withoutHost?: 'refused' | 'handled';
}

/** A server that is not listening yet. A handler that fails is answered with 500 and reported, never thrown. */
export function boundedServer(
  handler: Handler,
  onFailure: (error: unknown) => void,
  { tls, limits: others = {}, withoutHost = 'refused' }: BoundedOptions = {},
): Server {
  const limits: ServerLimits = { ...serverLimits, ...others };
  const options = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: 5_000,
    connectionsCheckingInterval: 1_000,
    requireHostHeader: withoutHost === 'refused',
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
    void answer(handler, request, response, onFailure);
  const server =
    tls === undefined
      ? createServer(options, onRequest)
      : createTlsServer({ ...options, ...tls, handshakeTimeout: limits.handshakeMs }, onRequest);
  server.maxConnections = limits.connections;
  server.setTimeout(limits.idleMs);
  return server;
}

async function answer(
  handler: Handler,
  request: IncomingMessage,
  response: ServerResponse,
  onFailure: (error: unknown) => void,
): Promise<void> {
  try {
    await handler(request, response);
  } catch (error) {
    onFailure(error);
    if (response.headersSent) response.destroy();
    else response.writeHead(500, { 'content-type': 'text/plain' }).end('internal error; see the log\n');
  }
}

/** Ends the server and every connection: a keep-alive scraper must not hold up the daemon's stop. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
