// SPDX-License-Identifier: Apache-2.0
/**
 * One request from its headers to its answer. Everything about it is checked before the route is called, in an order that
 * costs least first; whatever is refused on the way has changed nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { serverLimits } from '../metrics/bounded-server.js';
import { Pace, paced } from '../pace.js';
import type { ErrorAnswer } from './api.js';
import type { Admit } from './gate.js';
import { askerOf } from './asker.js';
import { isKnown, preconditionOf, revisionTag } from './conditions.js';
import { checkBodyHeaders, parseJson, readBody } from './read-body.js';
import { jsonPieces } from './json-pieces.js';
import { checkBody, readQuery } from './read-values.js';
import { HttpRefusal, refusedWith, usage } from './refusal.js';
import { jsonType, maxBodyBytes, type AdminSource, type Asked, type Reply, type Route } from './route.js';
import { Router, targetOf, type Target } from './router.js';
import { routes } from './routes/index.js';
import { writeSlices } from './write-slices.js';

const router = new Router(routes);

export const nameOf = ({ method, path }: Route): string => `${method} ${path}`;

/** As metrics name them. */
export const routeNames: readonly string[] = [...routes.map(nameOf), 'none'];

export interface Handling {
  readonly admit: Admit;
  /** Hears of what is a bug. */
  readonly onFailure: (error: unknown) => void;
  /** `route`: "GET /v1/status", or "none" for what is no route or was not let in. */
  readonly onAnswered: (route: string, status: number, seconds: number) => void;
}

/** Answers, whatever comes. */
export async function handleAdmin(
  source: AdminSource,
  request: IncomingMessage,
  response: ServerResponse,
  { admit, onFailure, onAnswered }: Handling,
): Promise<void> {
  const begun = performance.now();
  let named = 'none';
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  try {
    await admit();
    assertOneHost(request);
    const target = targetOf(request.url);
    const { route, parameters } = router.find(request.method ?? '', target.path);
    named = nameOf(route);
    const reply = await ask(route, parameters, target, source, request);
    await answer(reply, request, response);
  } catch (error) {
    const refused = refusedWith(error);
    if (refused === undefined) onFailure(error);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const { status, answer: body, headers } = refused ?? bug;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (!request.complete) response.setHeader('connection', 'close'); // what is left of it would pass for the next request
    send(response, status, jsonType, asJson(body));
  } finally {
    onAnswered(named, response.statusCode, (performance.now() - begun) / 1000);
  }
}

/** RFC 9112 section 3.2; Node takes the first, and whoever is between may have taken another. HTTP/1.0 has none. */
function assertOneHost({ headersDistinct: { host = [] }, httpVersion }: IncomingMessage): void {
  if (host.length > 1) throw usage('host', 'be given once');
  if (host.length === 0 && httpVersion === '1.1')
    throw new HttpRefusal(400, 'host: must be given', { connection: 'close' });
}

async function ask(
  route: Route,
  path: unknown,
  target: Target,
  source: AdminSource,
  request: IncomingMessage,
): Promise<Reply<unknown>> {
  const { startedAt } = source.status();
  const tagOf = (revision: number): string => revisionTag(startedAt, revision);
  const query = readQuery(route.query, target.query);
  const precondition = preconditionOf(request.headers, tagOf);
  if (request.headers['if-match'] !== undefined && !(route.refusals ?? []).includes(412))
    throw usage('if-match', 'be left out: this route changes no configuration');
  const by = askerOf(request.headers);
  checkBodyHeaders(request);
  const text = await readBody(request, route.maxBodyBytes ?? maxBodyBytes);
  const asked: Asked<unknown, unknown, unknown> = {
    source,
    actions: () => {
      const actions = source.actions();
      if (actions !== undefined) return actions;
      const isStarting = source.status().state === 'starting';
      throw new HttpRefusal(
        503,
        `daemon: must be ready, got one ${isStarting ? 'still starting; try again' : 'that is stopping'}`,
      );
    },
    path,
    query,
    body: await paced(bodyOf(route, text), new Pace()),
    precondition,
    by,
    tagOf,
    lastEventId: request.headers['last-event-id']?.toString() ?? null,
  };
  // Meanwhile the silence is ours: a host may take longer over a change than a peer may over a request.
  const { timeout: idleMs = serverLimits.idleMs } = request.socket;
  request.socket.setTimeout(0);
  try {
    return await route.handle(asked);
  } finally {
    request.socket.setTimeout(idleMs);
  }
}

function* bodyOf({ body: schema, readBody: read }: Route, text: string): Generator<void, unknown, undefined> {
  if (schema === null) {
    if (text === '') return null;
    throw usage('body', 'be empty: this route takes its parameters from the URL');
  }
  const body = yield* parseJson(text);
  if (read !== null) return yield* read(body);
  checkBody(schema, body);
  return body;
}

async function answer(
  reply: Reply<unknown>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if ('stream' in reply) {
    response.setHeader('content-type', reply.type);
    if (request.method === 'HEAD') response.end();
    else reply.stream(response);
    return;
  }
  const { etag } = reply;
  if (etag !== undefined) {
    response.setHeader('etag', etag);
    if (isKnown(request.headers, etag)) {
      response.writeHead(304).end();
      return;
    }
  }
  if ('pieces' in reply) await writeSlices(response, reply.type, reply.pieces);
  else await writeSlices(response, jsonType, lineOf(reply.body));
}

function* lineOf(body: unknown): Generator<string, void, undefined> {
  yield* jsonPieces(body);
  yield '\n';
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response
    .writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
    .end(response.req.method === 'HEAD' ? undefined : text);
}

const asJson = (body: unknown): string => `${JSON.stringify(body)}\n`;

const bug: {
  readonly status: number;
  readonly answer: ErrorAnswer;
  readonly headers: Record<string, string>;
} = {
  status: 500,
  answer: { error: { code: 'HTTP', message: 'daemon: failed at this request; its log says more' } },
  headers: {},
};
