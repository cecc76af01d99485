// SPDX-License-Identifier: Apache-2.0
/**
 * /metrics for a Prometheus server, /livez and /readyz for whoever watches the process. Reads only: GET and HEAD, no
 * parameters, no bodies.
 */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { VsnatError } from '../errors.js';
import { formatEndpoint, type Endpoint } from '../model/index.js';
import { boundedServer, closeServer } from './bounded-server.js';
import type { MetricsRegistry } from './registry.js';

export interface MetricsOptions {
  readonly listen: Pick<Endpoint, 'address'> & { readonly port: number };
  readonly registry: MetricsRegistry;
  /** null when every queue works with the newest snapshot and the host leads packets here; a sentence when not. */
  readonly notReady: () => string | null;
  readonly onFailure: (error: unknown) => void;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function openMetrics(options: MetricsOptions): Promise<MetricsServer> {
  const { listen, onFailure } = options;
  const server = boundedServer((request, response) => handle(options, request, response), onFailure);
  server.listen({ host: listen.address, port: listen.port });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new VsnatError(
      'VSNAT_HOST_REFUSED',
      `metrics.listen: must be an address and port free on this host, got ${code} for ${formatEndpoint(listen)}; ` +
        'choose another, or `metrics: { listen: off }`',
      { cause },
    );
  }
  return { port: portOf(server), close: () => closeServer(server) };
}

async function handle(
  { registry, notReady }: MetricsOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    // The body of a refused request is not read, so the connection cannot be used again.
    response.writeHead(405, { allow: 'GET, HEAD', connection: 'close' }).end();
    return;
  }
  const [path] = (request.url ?? '/').split('?', 1);
  switch (path) {
    case '/metrics': {
      const { contentType, body } = await registry.render(request.headers.accept);
      return send(response, 200, body, contentType);
    }
    case '/livez':
      return send(response, 200, 'ok\n');
    case '/readyz': {
      const reason = notReady();
      return reason === null ? send(response, 200, 'ok\n') : send(response, 503, `${reason}\n`);
    }
    default:
      return send(response, 404, 'this server has /metrics, /livez and /readyz\n');
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response
    .writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
    .end(response.req.method === 'HEAD' ? undefined : body);
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
