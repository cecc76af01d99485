// SPDX-License-Identifier: Apache-2.0
/**
 * Does a document have the schema's shape? ajv finds every departure; this file turns its errors into one sentence
 * per mistake. The work is in the unions (a server is text or a map): ajv reports every branch, the user meant one.
 */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { isMap } from './defaults.js';
import { keyNotYet, valueNotYet } from './not-yet.js';
import type { Path } from './positions.js';
import { formatPath, show, type Problems } from './problem.js';
import { configSchema, includedSchema, type SchemaNode } from './schema.js';
import { didYouMean } from './suggest.js';

const compiled = new Map<SchemaNode, ValidateFunction>();

export function checkShape(schema: SchemaNode, value: unknown, problems: Problems): void {
  const validate = compiled.get(schema) ?? compile(schema);
  compiled.set(schema, validate);
  if (validate(value)) return;
  const told = new Set<string>();
  for (const error of meant(validate.errors ?? [])) {
    const path = pathOf(error, value);
    const about = `${error.instancePath}/${subjectOf(error)}`;
    if (!told.has(about)) explain(error, path, problems);
    told.add(about);
  }
}

/**
 * Every command that reads a configuration waits for this, so it takes half the time: the schema is checked by a test and not
 * here, and ajv does not polish what it has written, which is as fast unpolished.
 */
function compile(schema: SchemaNode): ValidateFunction {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    validateSchema: false,
    meta: false,
    code: { optimize: false },
  });
  ajv.addKeyword('errorMessage');
  ajv.addKeyword('otherwise');
  ajv.addKeyword('sameAs');
  return ajv.compile(schema);
}

/**
 * Of a failed union: the errors inside the branch for a map or list; for anything simpler the union's own error.
 * A union's error comes right behind those of its branches.
 */
function meant(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const kept: ErrorObject[] = [];
  for (const error of errors) {
    if (error.keyword !== 'anyOf') {
      kept.push(error);
      continue;
    }
    let first = kept.length;
    while (first > 0 && branchOf(kept[first - 1], error) !== undefined) first -= 1;
    const inBranches = kept.splice(first);
    const type = Array.isArray(error.data) ? 'array' : isMap(error.data) ? 'object' : undefined;
    const chosen = (error.schema as readonly SchemaNode[]).findIndex((branch) => branch.type === type);
    if (type === undefined || chosen < 0) kept.push(error);
    else for (const inner of inBranches) if (branchOf(inner, error) === chosen) kept.push(inner);
  }
  return kept;
}

/** The number of the union's branch that an error comes from. */
function branchOf(error: ErrorObject | undefined, union: ErrorObject): number | undefined {
  if (!error?.schemaPath.startsWith(`${union.schemaPath}/`)) return undefined;
  const sameValue =
    error.instancePath === union.instancePath || error.instancePath.startsWith(`${union.instancePath}/`);
  return sameValue ? parseInt(error.schemaPath.slice(union.schemaPath.length + 1), 10) : undefined;
}

function explain(error: ErrorObject, path: Path, problems: Problems): void {
  const schema = error.parentSchema as SchemaNode;
  if (error.keyword === 'additionalProperties') {
    explainUnknownKey(error, path, schema, problems);
  } else if (error.keyword === 'required') {
    explainMissingKey(error, path, schema, problems);
  } else {
    const [must = 'fit the schema', ...hints] = (schema.errorMessage ?? fallback(error))
      .replace(/^must /, '')
      .split('; ');
    const allowed = schema.enum ?? [];
    const notYet = valueNotYet(withoutNumbers(path), error.data);
    const near = typeof error.data === 'string' ? didYouMean(error.data, allowed) : undefined;
    const hint =
      notYet ??
      near ??
      unquoted(error, schema) ??
      (hints.length > 0 ? hints.join('; ') : missingValue(error.data));
    problems.add(path, { must, got: show(error.data), hint });
  }
}

/** Merge keys are of YAML 1.1; what they bring would have no place of its own to complain of. */
const noMerge = 'YAML 1.2 has no merge keys: write the keys out, and share single values (servers: *name)';

function explainUnknownKey(error: ErrorObject, path: Path, schema: SchemaNode, problems: Problems): void {
  const key = (error.params as { additionalProperty: string }).additionalProperty;
  const known = Object.keys(schema.properties ?? {});
  const child = [...path, key];
  const notYet = keyNotYet(withoutNumbers(path), key);
  if (notYet !== undefined) {
    const got = show((error.data as Record<string, unknown>)[key]);
    problems.add(child, { must: 'be left out', got, hint: notYet }, 'key');
    return;
  }
  if (schema === includedSchema && key in configSchema.properties) {
    const hint = 'it belongs in the first file, the one that includes the others';
    problems.add(child, { must: 'be left out of an included file', got: show(key), hint }, 'key');
    return;
  }
  const hint = key === '<<' ? noMerge : (didYouMean(key, known) ?? `known here: ${known.join(', ')}`);
  problems.add(child, { must: 'be a known key', got: show(key), hint }, 'key');
}

function explainMissingKey(error: ErrorObject, path: Path, schema: SchemaNode, problems: Problems): void {
  const key = (error.params as { missingProperty: string }).missingProperty;
  const property = schema.properties?.[key];
  const example: unknown = (property?.examples as readonly unknown[] | undefined)?.[0];
  const text =
    typeof example === 'string' && property?.type !== 'array' ? example : JSON.stringify(example ?? []);
  const shown = typeof example === 'string' && property?.type === 'array' ? `[${example}]` : text;
  problems.add([...path, key], { must: 'be given', got: 'nothing', hint: `write "${key}: ${shown}"` });
}

/** A key with nothing behind it, or with all its lines commented out. */
const missingValue = (data: unknown): string | undefined =>
  data === null ? 'give it a value or leave it out' : undefined;

/** "3" where a number belongs. */
function unquoted({ data }: ErrorObject, schema: SchemaNode): string | undefined {
  const wantsNumber =
    schema.type === 'integer' || (schema.anyOf ?? []).some(({ type }) => type === 'integer');
  return wantsNumber && typeof data === 'string' && /^\d+$/.test(data)
    ? 'write the number without quotes'
    : undefined;
}

function fallback(error: ErrorObject): string {
  return error.keyword === 'minItems'
    ? 'must have at least one item'
    : `must fit: ${error.message ?? error.keyword}`;
}

const subjectOf = ({ keyword, params }: ErrorObject): string =>
  keyword === 'additionalProperties' || keyword === 'required' ? JSON.stringify(params) : '';

/** ajv says "/services/0"; whether 0 is a position or a key, only the value knows. */
function pathOf(error: ErrorObject, root: unknown): Path {
  let value = root;
  return error.instancePath
    .split('/')
    .slice(1)
    .map((escaped) => {
      const step = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
      const isPosition = Array.isArray(value);
      value = (value as Record<string, unknown> | undefined)?.[step];
      return isPosition ? Number(step) : step;
    });
}

const withoutNumbers = (path: Path): string =>
  formatPath(path.map((step) => (typeof step === 'number' ? 0 : step))).replaceAll('[0]', '[]');
