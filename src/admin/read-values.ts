// SPDX-License-Identifier: Apache-2.0
/**
 * Parameters and bodies against their schemas. What is unknown, repeated or out of range is a mistake that is told: to
 * ignore it would answer another question than the one that was asked.
 */
import { Type, type TProperties, type TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

import { usage } from './refusal.js';

/** What a schema of a parameter may have; all of them are one line of text in a URL. */
interface ParameterSchema extends TSchema {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly must?: string;
  readonly anyOf?: readonly { readonly const?: string }[];
}

export function readQuery(schemas: TProperties, query: string): Readonly<Record<string, unknown>> {
  if (!isWellEncoded(query)) throw usage('query', 'be percent-encoded UTF-8 without control characters');
  const values = new Map<string, unknown>();
  for (const [name, text] of new URLSearchParams(query)) {
    const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    if (schema === undefined) throw usage(shown(name), namesOf(schemas));
    if (values.has(name)) throw usage(name, 'be given once');
    values.set(name, readParameter(name, schema, text));
  }
  for (const name of requiredOf(schemas))
    if (!values.has(name)) throw usage(name, `be given: ${String(schemas[name]?.description)}`);
  return Object.fromEntries(values);
}

export function readParameter(name: string, schema: TSchema, text: string): unknown {
  const value = valueOf(schema, text);
  if (value !== undefined && Value.Check(schema, value)) return value;
  throw usage(name, `${mustOf(schema)}, got ${shown(text)}`);
}

function valueOf(schema: TSchema, text: string): string | number | boolean | undefined {
  switch (schema['type']) {
    case 'integer':
      return /^\d{1,16}$/.test(text) ? Number(text) : undefined;
    case 'boolean':
      return flags.get(text);
    default:
      return text;
  }
}

const flags: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
]);

function mustOf(schema: ParameterSchema): string {
  const { must, minimum, maximum, maxLength, anyOf } = schema;
  if (must !== undefined) return must;
  if (anyOf !== undefined) return `be one of ${anyOf.map((one) => one.const).join(', ')}`;
  if (schema['type'] === 'integer') return `be a whole number of ${minimum}..${maximum}`;
  if (schema['type'] === 'boolean') return 'be 1 or 0';
  return `be text of at most ${maxLength} characters`;
}

const namesOf = (schemas: TProperties): string => {
  const names = Object.keys(schemas);
  return names.length === 0 ? 'be left out: this route has no parameters' : `be one of ${names.join(', ')}`;
};

const requiredOf = (schemas: TProperties): readonly string[] => Type.Object(schemas).required ?? [];

/** Text in a URL: no half escapes, no bytes that are no UTF-8, nothing that moves a cursor. */
export function isWellEncoded(text: string): boolean {
  try {
    return !/\p{Cc}/u.test(decodeURIComponent(text));
  } catch {
    return false;
  }
}

export const shown = (text: string): string =>
  JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** What parsed as JSON, against the schema of a body: the first mistake, with its place. */
export function checkBody(schema: TSchema, body: unknown): void {
  const error = Value.Errors(schema, body).First();
  if (error === undefined) return;
  const must = (error.schema as ParameterSchema).must ?? `fit: ${error.message.toLowerCase()}`;
  throw usage(`body${error.path.replaceAll('/', '.')}`, must);
}
