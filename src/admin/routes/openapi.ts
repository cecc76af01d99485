// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';

import { Type } from '@sinclair/typebox';

import { openApi } from '../openapi.js';
import { route, type Route } from '../route.js';
import { text } from '../schemas/words.js';

/** `all` is asked when the document is, since this route is one of them. */
export function openApiRoute(all: () => readonly Route[]): Route {
  let made: { readonly body: object; readonly etag: string } | undefined;
  return route({
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'this API as an OpenAPI 3.1 document',
    tagged: true,
    answer: Type.Object({
      openapi: text,
      info: Type.Unknown(),
      servers: Type.Unknown(),
      paths: Type.Unknown(),
      components: Type.Unknown(),
      security: Type.Unknown(),
    }),
    handle: ({ source }) => {
      made ??= documented(all(), source.status().version);
      return made as never;
    },
  });
}

function documented(routes: readonly Route[], version: string): { body: object; etag: string } {
  const body = openApi(routes, version);
  const digest = createHash('sha256').update(JSON.stringify(body)).digest('base64url').slice(0, 16);
  return { body, etag: `"${digest}"` };
}
