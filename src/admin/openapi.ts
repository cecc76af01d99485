// SPDX-License-Identifier: Apache-2.0
/** The routes as an OpenAPI 3.1 document. Its schemas are the very ones that requests are checked against. */
import { OptionalKind, type TProperties, type TSchema } from '@sinclair/typebox';

import { askerPattern } from '../director/asker.js';
import { jsonType, type Route } from './route.js';
import { errorSchema } from './schemas/error.js';

/** What any route may answer beside its own refusals. */
export const sharedRefusals = {
  400: 'A parameter, a header or the body is wrong.',
  401: 'Over TCP: no token, or another one.',
  403: 'The request comes from a web page, or names another host.',
  413: 'Too much body.',
  415: 'The body is packed, or not JSON.',
  429: 'Over TCP: too many wrong tokens, or too many streams.',
  500: 'The daemon or the host failed; the log says more.',
} as const;

const ownRefusals = {
  404: 'There is no such thing.',
  409: 'The change does not fit what runs; nothing was changed.',
  412: 'Somebody was faster: the configuration is not the one that If-Match names. Nothing was changed.',
  422: 'The configuration has mistakes; nothing was changed.',
  503: 'The daemon is still starting, or already stopping.',
} as const;

export const refusalsOf = ({ refusals = [] }: Route): readonly number[] =>
  [...Object.keys(sharedRefusals).map(Number), ...refusals].sort((a, b) => a - b);

export function openApi(routes: readonly Route[], version: string): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'vsnat admin API',
      version,
      description:
        'HTTP with JSON over a unix socket, or over TCP with a token or a client certificate. Fields are added over time, never renamed. ' +
        'HEAD works where GET does. A path that is not here is answered with 404, another method with 405.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://vsnat', description: 'The unix socket admin.socket; or admin.listen.' }],
    security: [{}, { token: [] }, { certificate: [] }],
    paths: Object.fromEntries(
      [...new Set(routes.map(({ path }) => path))].map((path) => [
        path,
        Object.fromEntries(
          routes
            .filter((route) => route.path === path)
            .map((route) => [route.method.toLowerCase(), operation(route)]),
        ),
      ]),
    ),
    components: {
      schemas: { Error: plain(errorSchema) },
      responses: Object.fromEntries(
        Object.entries({ ...sharedRefusals, ...ownRefusals }).map(([status, description]) => [
          `E${status}`,
          { description, content: { [jsonType]: { schema: { $ref: '#/components/schemas/Error' } } } },
        ]),
      ),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        certificate: { type: 'mutualTLS' },
      },
    },
  };
}

function operation(route: Route): object {
  const { summary, parameters, query, body, answer, tagged = false, otherTypes = [] } = route;
  return {
    operationId: operationId(route),
    summary,
    parameters: [
      ...parametersOf('path', parameters),
      ...parametersOf('query', query),
      ...(tagged ? [header('If-None-Match', 'ETag of an answer there is already.')] : []),
      ...((route.refusals ?? []).includes(412)
        ? [
            header('If-Match', 'The `revision` that this change is made for.'),
            {
              ...header('Vsnat-By', 'What the asker calls itself; `api` when absent. Told with the change.'),
              schema: { type: 'string', pattern: askerPattern },
            },
          ]
        : []),
    ],
    ...(body === null
      ? {}
      : { requestBody: { required: true, content: { [jsonType]: { schema: plain(body) } } } }),
    responses: {
      200: {
        description: summary,
        ...(tagged ? { headers: { ETag: { schema: { type: 'string' } } } } : {}),
        content: {
          [jsonType]: { schema: plain(answer) },
          ...Object.fromEntries(otherTypes.map((type) => [type, { schema: { type: 'string' } }])),
        },
      },
      ...(tagged ? { 304: { description: 'It is still the one that If-None-Match names.' } } : {}),
      ...Object.fromEntries(
        refusalsOf(route).map((status) => [String(status), { $ref: `#/components/responses/E${status}` }]),
      ),
    },
  };
}

/** getServicesName, postReload: what generated clients call it. */
const operationId = ({ method, path }: Route): string =>
  method.toLowerCase() +
  [...path.slice('/v1'.length).matchAll(/[a-z]+/g)]
    .map(([word]) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');

function parametersOf(place: 'path' | 'query', schemas: TProperties): object[] {
  return Object.entries(schemas).map(([name, schema]) => {
    const { description, ...rest } = plain(schema) as { description?: string };
    return {
      name,
      in: place,
      required: place === 'path' || !(OptionalKind in schema),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    };
  });
}

const header = (name: string, description: string): object => ({
  name,
  in: 'header',
  required: false,
  description,
  schema: { type: 'string' },
});

/** Without TypeBox's symbols, and without the words of mistakes, which are no part of JSON Schema. */
function plain(schema: TSchema): object {
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) => (key === 'must' ? undefined : value)),
  ) as object;
}
