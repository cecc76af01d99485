// SPDX-License-Identifier: Apache-2.0
/** Answers against the OpenAPI document, more strictly than a client may be: a field nobody described is a mistake. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

import { openApi } from '../../../src/admin/openapi.js';
import { jsonType, type Route } from '../../../src/admin/route.js';
import { routes } from '../../../src/admin/routes/index.js';

interface Documented {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, Response>> }>>>
  >;
  readonly components: { readonly responses: Readonly<Record<string, Response>> };
}

interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

export const document = openApi(routes, '0.0.0') as Documented;

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true, discriminator: false });
ajv.addVocabulary(['components']);
const compiled = new Map<string, ValidateFunction>();

/** The mistakes of an answer, none when it is as described. */
export function mistakesOf(route: Route, status: number, body: unknown, type = jsonType): readonly string[] {
  const responses = document.paths[route.path]?.[route.method.toLowerCase()]?.responses;
  const named = responses?.[String(status)];
  if (named === undefined) return [`${route.method} ${route.path} does not say that it answers ${status}`];
  const response =
    named.$ref === undefined
      ? named
      : document.components.responses[named.$ref.replace('#/components/responses/', '')];
  if (status === 304) return [];
  const schema = response?.content?.[type]?.schema;
  if (schema === undefined) return [`${route.path} ${status} has no schema for ${type}`];
  if (type !== jsonType) return typeof body === 'string' ? [] : ['text expected'];
  const key = `${route.method} ${route.path} ${status}`;
  const validate = compiled.get(key) ?? ajv.compile(closed({ ...schema, components: componentsOf() }));
  compiled.set(key, validate);
  return validate(body)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message, params }) =>
        `${key}: ${instancePath} ${message ?? ''} ${JSON.stringify(params)}`.trim(),
      );
}

const componentsOf = (): unknown => JSON.parse(JSON.stringify(document.components));

/** Every object with named fields takes those alone. */
function closed(schema: unknown): object {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema as object;
  const inside = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const named = 'properties' in schema && !('additionalProperties' in schema);
  return named ? { ...inside, additionalProperties: false } : inside;
}
