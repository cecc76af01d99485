// SPDX-License-Identifier: Apache-2.0
/** Values that a schema allows, and requests made of them: what the fuzzer of the admin API begins with. */
import { OptionalKind, type TSchema } from '@sinclair/typebox';
import fc from 'fast-check';

import { jsonType, type Route } from '../../../src/admin/route.js';

export interface FuzzRequest {
  /** "POST /v1/change": a whole route would fill the screen when something is found. */
  readonly name: string;
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
  /** undefined: none. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

interface Shape extends TSchema {
  readonly const?: unknown;
  readonly anyOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

/** Words that mean something to the daemon of the tests, so that more than the first check is reached. */
const known: Readonly<Record<string, readonly string[]>> = {
  service: ['web', 'tcp://10.9.0.1:80', 'mark://7/ipv4', 'tcp://10.9.0.2:0'],
  name: ['web', 'dns'],
  server: ['10.2.1.2:8080', '10.2.1.9:8080', '[2001:db8::1]:80', '0.0.0.0:1'],
  scheduler: ['rr', 'wlc', 'mh'],
  client: ['192.0.2.7', '192.0.2.7:5'],
  vip: ['10.9.0.1:80', '2001:db8::1'],
  mask: ['255.255.0.255'],
};

const hostileText = fc.constantFrom(
  '',
  ' ',
  '\u0000',
  '\u001b[2J',
  '__proto__',
  '../..',
  "' OR 1",
  '𝔘\u202e',
  '-1',
  '1e9',
);

export function valueOf(schema: TSchema, name = ''): fc.Arbitrary<unknown> {
  const { const: one, anyOf, properties, items, minimum = 0, maximum = 2 ** 31 } = schema as Shape;
  if (one !== undefined) return fc.constant(one);
  if (anyOf !== undefined) return fc.oneof(...anyOf.map((branch) => valueOf(branch, name)));
  switch (schema['type']) {
    case 'object':
      return objectOf(properties ?? {});
    case 'array':
      return items === undefined
        ? fc.constant([])
        : fc.array(valueOf(items, name), { maxLength: Math.min((schema as Shape).maxItems ?? 4, 4) });
    case 'integer':
      return fc.oneof(
        fc.constantFrom(minimum, maximum),
        fc.integer({ min: minimum, max: Math.min(maximum, 2 ** 31) }),
      );
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return textOf(schema, name);
  }
}

function textOf({ minLength = 0, maxLength = 255 }: Shape, name: string): fc.Arbitrary<string> {
  const words = known[name] ?? ['web'];
  return fc
    .oneof(
      { weight: 6, arbitrary: fc.constantFrom(...words) },
      { weight: 1, arbitrary: hostileText },
      { weight: 1, arbitrary: fc.string({ minLength, maxLength: Math.min(maxLength, 40), unit: 'binary' }) },
    )
    .filter((text) => text.length >= minLength && text.length <= maxLength);
}

function objectOf(properties: Readonly<Record<string, Shape>>): fc.Arbitrary<unknown> {
  const model = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, valueOf(schema, name)]),
  );
  const requiredKeys = Object.keys(properties).filter((name) => !(OptionalKind in (properties[name] ?? {})));
  return fc.record(model, { requiredKeys });
}

/** A request that its route's description allows. */
export function requestFor(route: Route): fc.Arbitrary<FuzzRequest> {
  const query = objectOf(route.query) as fc.Arbitrary<Record<string, unknown>>;
  const place = objectOf(route.parameters) as fc.Arbitrary<Record<string, string>>;
  const body = route.body === null ? fc.constant(undefined) : valueOf(route.body);
  return fc.record({ query, place, body }).map(({ query: given, place: names, body: sent }) => ({
    name: `${route.method} ${route.path}`,
    path: route.path.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(wellFormed(names[name] ?? '')),
    ),
    query: Object.entries(given).map(([name, value]) => [name, String(value)] as const),
    body: sent,
    headers: sent === undefined ? {} : { 'content-type': jsonType },
  }));
}

/** encodeURIComponent refuses half a surrogate pair; a URL cannot hold one. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '?');

export const targetOf = ({ path, query }: Pick<FuzzRequest, 'path' | 'query'>): string => {
  const text = query
    .map(
      ([name, value]) => `${encodeURIComponent(wellFormed(name))}=${encodeURIComponent(wellFormed(value))}`,
    )
    .join('&');
  return text === '' ? path : `${path}?${text}`;
};
