// SPDX-License-Identifier: Apache-2.0
/**
 * Configuration: text in, validated model out, or one ConfigError that lists every mistake. Nothing here touches the
 * running director; a reload calls the same functions and swaps only what came out whole.
 *
 * text → yaml.ts (values, positions) → shape.ts (the schema) → draft.ts (meaning, defaults) → checks.ts (between
 * keys) → model → reach.ts (against the host's subnets), helper-vips.ts (against its addresses).
 */
import { VsnatError } from '../errors.js';
import type { Model } from '../model/model.js';
import { serverId, type RealServer, type VirtualService } from '../model/service.js';
import { checkBetweenKeys } from './checks.js';
import { isMap } from './defaults.js';
import { documentOf } from './document.js';
import { draft, modelOf, type Draft } from './draft.js';
import { Field } from './field.js';
import { filesOnDisk, filesThere, readText, type Files } from './files.js';
import { validateHelperVips } from './helper-vips.js';
import { Positions } from './positions.js';
import { ConfigError, formatProblem, Problems, show, type Problem } from './problem.js';
import { validateReach, type HostNetwork } from './reach.js';
import { configSchema } from './schema.js';
import { checkShape } from './shape.js';
import { readYaml } from './yaml.js';

export { ConfigError, formatProblem, type Problem } from './problem.js';
export type { Path, Place, Positions } from './positions.js';
export { documentOf } from './document.js';
export { healthDocument, isSecret, standingDocument } from './health-document.js';
export { unreachable, validateReach, type HostNetwork, type HostPrefix } from './reach.js';
export type { ConfigDocument } from './schema.js';

export interface ConfigOptions {
  /**
   * The host's subnets, to check that every server is in one. null when they could not be listed: the check is
   * skipped with a note. Left out: not checked.
   */
  readonly host?: HostNetwork | null;
  /** What runs now, on a reload: its servers that are out of reach today are told in a note and are no mistake. */
  readonly running?: Model;
}

export interface Config {
  readonly model: Model;
  readonly positions: Positions;
  /** Sentences for the log: what could not be checked. */
  readonly notes: readonly string[];
}

/** As many servers as a director takes, a line each, are 40 MiB. */
const largestFile = 64 * 2 ** 20;

/** Throws ConfigError with every problem, or VSNAT_CONFIG_UNREADABLE. */
export function loadConfig(file: string, options: ConfigOptions = {}): Config {
  return parseConfig(textOf(file), { ...options, file });
}

/** The same from text. `file` is the name in messages. */
export function parseConfig(text: string, options: ConfigOptions & { readonly file?: string } = {}): Config {
  const { value, problems } = readYaml(text, options.file ?? 'vsnat.yaml');
  if (value === undefined) problems.throwIfAny();
  if (!isMap(value)) {
    problems.add([], {
      must: 'be a map with services',
      got: show(value),
      hint: 'write at least "services: []"',
    });
    throw new ConfigError(problems.list);
  }
  const drafted = check(value, problems, filesOnDisk);
  problems.throwIfAny();
  const model = modelOf(drafted);
  return { model, positions: problems.positions, notes: checkReach(model, problems.positions, options) };
}

/** Throws what is a mistake; gives back what is only worth knowing. */
function checkReach(model: Model, positions: Positions, { host, running }: ConfigOptions): readonly string[] {
  if (host === undefined) return [];
  if (host === null) return ['the subnets of this host are unknown; servers were not checked for reach'];
  const configured = new Set(
    running?.services.flatMap(({ servers, sorryServers }) => [...servers, ...sorryServers].map(serverId)),
  );
  const isKnown = (server: RealServer): boolean => configured.has(serverId(server));
  const helped = new Map(running?.services.map(({ name, helper }) => [name, helper]));
  const runs = ({ name, helper }: VirtualService): boolean => helped.get(name) === helper;
  throwIfAny([
    ...validateReach(model, positions, host, (server) => !isKnown(server)),
    ...validateHelperVips(model, positions, host, (service) => !runs(service)),
  ]);
  return [
    ...validateReach(model, positions, host, isKnown),
    ...validateHelperVips(model, positions, host, runs),
  ].map((problem) => `${formatProblem(problem)} (accepted: it is configured already)`);
}

/** What a file with this model would be refused for; none when it would be taken. Its lines and columns mean nothing. */
export function problemsOf(model: Model): readonly Problem[] {
  const problems = new Problems(new Positions('running configuration', ''));
  check(documentOf(model), problems, filesThere);
  return problems.list;
}

function check(document: unknown, problems: Problems, files: Files): Draft {
  checkShape(document, problems);
  const drafted = draft(Field.root(document, problems, configSchema), files);
  checkBetweenKeys(drafted);
  return drafted;
}

function throwIfAny(problems: ConfigError['problems']): void {
  if (problems.length > 0) throw new ConfigError(problems);
}

function textOf(file: string): string {
  const text = readText(file, largestFile);
  if (text.ok) return text.value;
  throw new VsnatError('VSNAT_CONFIG_UNREADABLE', `${file}: cannot be read, got ${text.got}; ${text.hint}`, {
    cause: text.cause,
  });
}
