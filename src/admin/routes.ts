// SPDX-License-Identifier: Apache-2.0
/**
 * The admin API: a handful of routes over the director, JSON in and out, no logic of its own. Who may talk to it is
 * decided by the permissions of the socket file.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import { VsnatError } from '../errors.js';
import type { AdminActions, ErrorAnswer, StatusAnswer } from './api.js';
import { readFlowQuery, walkFlows } from './flow-query.js';

/** The routes take no body in this version; what a client sends anyway is read up to here and ignored. */
export const maxBodyBytes = 64 * 1024;

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

type Route = (source: AdminSource, url: URL) => Answer | Promise<Answer>;

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
  if (!(await drainBody(request))) {
    response.setHeader('connection', 'close');
    return send(response, refuse(413, `body: must be at most ${maxBodyBytes} bytes`));
  }
  send(response, await dispatch(source, request, response));
}

async function dispatch(
  source: AdminSource,
  request: IncomingMessage,
  response: ServerResponse,
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
    return await route(source, url);
  } catch (error) {
    if (error instanceof VsnatError) return failure(error.code === 'VSNAT_USAGE' ? 400 : 500, error);
    throw error;
  }
}

/** Reads the body away, so that the connection can be used again. False when there is too much of it. */
async function drainBody(request: IncomingMessage): Promise<boolean> {
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBodyBytes) return false;
  }
  return true;
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
    error: { code, message: error.message, ...(isConfig ? { problems: error.message.split('\n') } : {}) },
  };
}

/** A file with mistakes is the asker's to mend (422); anything else went wrong on this side. */
const statusOf = ({ error }: ErrorAnswer): number =>
  error.code === 'VSNAT_CONFIG_INVALID' || error.code === 'VSNAT_CONFIG_UNREADABLE' ? 422 : 500;

function send(response: ServerResponse, { status, body }: Answer): void {
  const text = `${JSON.stringify(body)}\n`;
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(response.req.method === 'HEAD' ? undefined : text);
}
