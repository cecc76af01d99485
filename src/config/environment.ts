// SPDX-License-Identifier: Apache-2.0
/**
 * ${NAME}, ${NAME:-default} and ${NAME:?message} in the values of a document. After YAML, not before: what a variable
 * holds can become a number or a longer text, but never another key, list or comment. Where a value came from stays
 * known, and a complaint about it shows what the file says: the environment is where secrets are.
 */
import { insideOf, isMap } from './defaults.js';
import { show, type Complaint, type Problems } from './problem.js';
import type { Path } from './positions.js';
import type { SchemaNode } from './schema.js';

/** Names and values, as of process.env. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Puts values in the place of references, in the document itself. */
export function substitute(
  document: unknown,
  schema: SchemaNode,
  environment: Environment,
  problems: Problems,
): void {
  new Substitution(environment, problems).inside(document, [], schema);
}

const reference = /\$\$\{|\$\{([^}]*)(\})?/g;

class Substitution {
  readonly #environment: Environment;
  readonly #problems: Problems;

  constructor(environment: Environment, problems: Problems) {
    this.#environment = environment;
    this.#problems = problems;
  }

  inside(container: unknown, path: Path, schema: SchemaNode | undefined): void {
    if (Array.isArray(container)) {
      for (const index of container.keys())
        this.#child(container as unknown as Container, index, path, insideOf(schema).items);
    } else if (isMap(container)) {
      for (const key of Object.keys(container)) this.#child(container, key, path, propertyOf(schema, key));
    }
  }

  #child(container: Container, key: string | number, path: Path, schema: SchemaNode | undefined): void {
    const value = container[key];
    if (typeof value === 'object') this.inside(value, [...path, key], schema);
    if (typeof value !== 'string' || !value.includes('${')) return;
    const complaints: Complaint[] = [];
    const expanded = value.replace(
      reference,
      (whole: string, inner: string | undefined, end: string | undefined) => {
        if (inner === undefined) return '${';
        const found = this.#lookUp(inner, end !== undefined);
        if (typeof found === 'string') return found;
        complaints.push(found);
        return whole;
      },
    );
    for (const complaint of complaints)
      this.#problems.add([...path, key], { ...complaint, got: show(value) });
    const isWhole = /^\$\{[^}]*\}$/.test(value);
    container[key] = isWhole && !isText(schema) ? readTyped(expanded) : expanded;
    this.#problems.positions.cameFrom(container, key, { text: value, isBad: complaints.length > 0 });
  }

  #lookUp(inner: string, isClosed: boolean): string | Complaint {
    const match = isClosed ? /^([A-Za-z_]\w*)(?::([-?])([^]*))?$/.exec(inner) : null;
    if (match === null)
      return {
        must: 'name a variable as ${NAME}, ${NAME:-default} or ${NAME:?message}',
        hint: 'write $${ where ${ itself is meant',
      };
    const [, name = '', operator, word = ''] = match;
    const value = this.#environment[name];
    if (operator === undefined)
      return (
        value ?? { must: `have ${name} set in the environment`, hint: `or give a default: \${${name}:-…}` }
      );
    if (value !== undefined && value !== '') return value;
    return operator === '-' ? word : { must: `have ${name} set in the environment`, hint: word };
  }
}

function propertyOf(schema: SchemaNode | undefined, key: string): SchemaNode | undefined {
  const others = schema?.additionalProperties;
  return insideOf(schema).properties[key] ?? (typeof others === 'object' ? others : undefined);
}

/** Where only a text may stand, digits are one: a token does not become a number by having no letter in it. */
const isText = (schema: SchemaNode | undefined): boolean =>
  schema !== undefined &&
  [schema, ...(schema.anyOf ?? [])].every(
    ({ type }) => type === undefined || type === 'string' || type === 'object' || type === 'array',
  );

type Container = Record<string | number, unknown>;

/** What is a number or a truth value when it stands in a file is one when it comes from a variable. */
function readTyped(text: string): string | number | boolean {
  if (/^(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/.test(text)) return Number(text);
  return text === 'true' ? true : text === 'false' ? false : text;
}

/** A text as it must be written to be read as it is. */
export const withoutReferences = (text: string): string => text.replaceAll('${', () => '$${');
