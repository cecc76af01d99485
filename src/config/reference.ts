// SPDX-License-Identifier: Apache-2.0
/** The table of keys in docs/configuration.md, made from the schema so that the two cannot part. */
import { configSchema, type SchemaNode } from './schema.js';

export const referenceMarkers = {
  begin: '<!-- keys: written by tools/write-schema.mjs from src/config/schema.ts; do not edit -->',
  end: '<!-- /keys -->',
} as const;

export interface ReferenceRow {
  /** "services[].servers[].weight" */
  readonly key: string;
  readonly accepts: string;
  readonly fallback: string;
  readonly meaning: string;
}

export function referenceRows(): readonly ReferenceRow[] {
  return rowsOf(configSchema, '');
}

/** A page with the text between the markers replaced by today's table. */
export function withReference(page: string): string {
  const { begin, end } = referenceMarkers;
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`docs/configuration.md: must hold the line ${begin} and, below, ${end}`);
  return `${page.slice(0, from + begin.length)}\n${referenceTable()}${page.slice(to)}`;
}

function referenceTable(): string {
  const lines = referenceRows().map(
    ({ key, accepts, fallback, meaning }) => `| \`${key}\` | ${accepts} | ${fallback} | ${meaning} |`,
  );
  return `\n| Key | Accepts | Default | Meaning |\n| --- | --- | --- | --- |\n${lines.join('\n')}\n\n`;
}

function rowsOf(schema: SchemaNode, prefix: string): readonly ReferenceRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const row = {
      key,
      accepts: acceptsText(property),
      fallback: defaultText(property, schema.required?.includes(name) ?? false),
      meaning: meaningOf(property),
    };
    return [row, ...nestedRows(property, key)];
  });
}

/** Rows of the map that a key holds, directly or in a list; of one that it may hold alone or in a list, once. */
function nestedRows(property: SchemaNode, key: string): readonly ReferenceRow[] {
  if (property.sameAs !== undefined) return [];
  const { items, anyOf = [] } = property;
  if (items === undefined) return [property, ...anyOf].flatMap((branch) => rowsOf(branch, key));
  return [items, ...(items.anyOf ?? [])].flatMap((branch) => rowsOf(branch, `${key}[]`));
}

const meaningOf = ({ description = '', sameAs }: SchemaNode): string =>
  sameAs === undefined ? description : `${description} The keys are those of \`${sameAs}\`.`;

function acceptsText({ errorMessage = '' }: SchemaNode): string {
  const [accepts = ''] = errorMessage.replace(/^must be /, '').split('; ');
  return accepts.replaceAll('|', '\\|');
}

function defaultText(property: SchemaNode, required: boolean): string {
  if (required) return 'required';
  const value: unknown = property.default;
  if (property.type === 'object') return property.otherwise ?? '';
  return value === undefined
    ? (property.otherwise ?? '')
    : `\`${typeof value === 'string' && !/^\d+$/.test(value) ? value : JSON.stringify(value)}\``;
}
