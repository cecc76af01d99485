// SPDX-License-Identifier: Apache-2.0
/**
 * The admin API: a handful of routes over the director, JSON in and out, no logic of its own. Who may talk to it is
 * decided by the permissions of the socket file.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { ChangeRefused } from '../director/change-refused.js';
import { readOperations } from '../director/operation.js';
import { VsnatError, type ErrorCode } from '../errors.js';
import type { AdminActions, ErrorAnswer, StatusAnswer, ZeroAnswer } from './api.js';
import { readFlowQuery, walkFlows } from './flow-query.js';

/** What a client sends where no body is wanted is read up to here and ignored. */
export const maxBodyBytes = 64 * 1024;
/** A change may be a whole table: 1,000 services of 100 servers are some 14 MB. */
export const maxChangeBytes = 16 * 1024 * 1024;

export interface AdminSource {
  /** Everything of the status but the director's part. */
  readonly status: () => Omit<StatusAnswer, 'director'>;
  /** undefined while the daemon starts. */
  readonly actions: () => AdminActions | undefined;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Route = (source: AdminSource, url: URL, body: string) => Answer | Promise<Answer>;

const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/v1/status': {
    GET: ({ status, actions }) => ok({ ...status(), director: actions()?.directorStatus() ?? null }),
  },
  '/v1/services': {
    GET: (source) => withActions(source, (actions) => ok({ services: actions.services() })),
  },
  '/v1/flows': {
    GET: (source, url) =>
      withActions(source, (actions) =>
        ok(walkFlows(readFlowQuery(url.searchParams), (cursor, limit) => actions.connections(cursor, limit))),
      ),
  },
  '/v1/table': {
    GET: (source) => withActions(source, (actions) => ok(actions.table())),
  },
  '/v1/change': {
    POST: (source, _, body) =>
      withActions(source, async (actions) => ok(await actions.change(readOperations(parseJson(body))))),
  },
  '/v1/zero': {
    POST: (source, _, body) =>
      withActions(source, (actions) => {
        actions.zero(readService(parseJson(body)));
        return ok({ result: 'zeroed' } satisfies ZeroAnswer);
      }),
  },
  '/v1/reload': {
    POST: (source) =>
      withActions(source, async (actions) => {
        const body = await actions.reload();
        return { status: 'error' in body ? statusOf(body) : 200, body };
      }),
  },
};

export const adminPaths: readonly string[] = Object.keys(routes);

export async function handleAdmin(
  source: AdminSource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const limit = readUrl(request.url)?.pathname === '/v1/change' ? maxChangeBytes : maxBodyBytes;
  const body = await readBody(request, limit);
  if (body === undefined) {
    response.setHeader('connection', 'close');
    return send(response, refuse(413, `body: must be at most ${limit} bytes`));
  }
  send(response, await dispatch(source, request, response, body));
}

async function dispatch(
  source: AdminSource,
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
): Promise<Answer> {
  const url = readUrl(request.url);
  const methods = url !== undefined && Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
  if (url === undefined || methods === undefined) {
    return refuse(404, `path: must be one of ${adminPaths.join(', ')}`);
  }
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
  const route = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (route === undefined) {
    const allowed = Object.keys(methods).join(', ');
    response.setHeader('allow', allowed);
    return refuse(405, `method: must be ${allowed}, got ${method}`);
  }
  try {
    return await route(source, url, body);
  } catch (error) {
    if (error instanceof VsnatError) return failure(statusOfCode(error.code), error);
    throw error;
  }
}

/** Reads the body, wanted or not, so that the connection can be used again. undefined when there is too much of it. */
async function readBody(request: IncomingMessage, limit: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VsnatError('VSNAT_USAGE', 'body: must be JSON', { cause });
  }
}

/** `{ "service": "tcp://10.9.0.1:80" }`, or null for all. */
function readService(body: unknown): string | null {
  const service = typeof body === 'object' && body !== null && 'service' in body ? body.service : undefined;
  if (typeof service === 'string' || service === null) return service;
  throw new VsnatError('VSNAT_USAGE', 'body.service: must be text like tcp://10.9.0.1:80, or null for all');
}

function readUrl(text = '/'): URL | undefined {
  const base = 'http://admin';
  return text.startsWith('/') && URL.canParse(`${base}${text}`) ? new URL(`${base}${text}`) : undefined;
}

function withActions(
  source: AdminSource,
  use: (actions: AdminActions) => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  const actions = source.actions();
  return actions === undefined
    ? refuse(503, 'daemon: must be ready, got one still starting; try again')
    : use(actions);
}

const ok = (body: unknown): Answer => ({ status: 200, body });

function refuse(status: number, message: string): Answer {
  return { status, body: { error: { code: 'HTTP', message } } satisfies ErrorAnswer };
}

function failure(status: number, error: VsnatError): Answer {
  return { status, body: errorAnswer(error) };
}

/** An error as the API tells it; the mistakes of a configuration one by one. */
export function errorAnswer(error: Error): ErrorAnswer {
  const code = error instanceof VsnatError ? error.code : 'VSNAT_DATAPLANE';
  const isConfig = code === 'VSNAT_CONFIG_INVALID';
  return {
    error: {
      code,
      message: error.message,
      ...(isConfig ? { problems: error.message.split('\n') } : {}),
      ...(error instanceof ChangeRefused ? { reason: error.reason } : {}),
    },
  };
}

/** Of what a route throws: the asker's mistake, a change that does not fit what runs, or trouble on this side. */
const statusOfCode = (code: ErrorCode): number =>
  code === 'VSNAT_USAGE' ? 400 : code === 'VSNAT_CHANGE_REFUSED' ? 409 : 500;

/** A file with mistakes is the asker's to mend (422); anything else went wrong on this side. */
const statusOf = ({ error }: ErrorAnswer): number =>
  error.code === 'VSNAT_CONFIG_INVALID' || error.code === 'VSNAT_CONFIG_UNREADABLE' ? 422 : 500;

function send(response: ServerResponse, { status, body }: Answer): void {
  const text = `${JSON.stringify(body)}\n`;
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(response.req.method === 'HEAD' ? undefined : text);
}
