// SPDX-License-Identifier: Apache-2.0
/**
 * Fill in the schema's defaults. Not by the validator: it leaves out what stands under anyOf, which is where the
 * long form of a server is.
 */
import type { SchemaNode } from './schema.js';

export function withDefaults(schema: SchemaNode, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = branchFor(schema, 'array') ?? {};
    return items === undefined ? value : value.map((item) => withDefaults(items, item));
  }
  if (!isMap(value)) return value;
  const properties = branchFor(schema, 'object')?.properties ?? {};
  const filled = Object.assign(Object.create(null) as Record<string, unknown>, value);
  for (const [key, property] of Object.entries(properties)) {
    const given: unknown = key in filled ? filled[key] : structuredClone(property.default);
    if (given !== undefined) filled[key] = withDefaults(property, given);
  }
  return filled;
}

export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function branchFor(schema: SchemaNode, type: 'array' | 'object'): SchemaNode | undefined {
  return schema.type === type ? schema : schema.anyOf?.find((branch) => branch.type === type);
}
