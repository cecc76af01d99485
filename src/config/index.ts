// SPDX-License-Identifier: Apache-2.0
/**
 * Configuration: text in, validated model out, or one ConfigError that lists every mistake. Nothing here touches the
 * running director; a reload calls the same functions and swaps only what came out whole.
 *
 * text → include.ts (all files: yaml.ts for values and positions, environment.ts for ${…}) → shape.ts (the schema) →
 * draft.ts (meaning, defaults) → checks.ts (between keys) → reach.ts (against the host's subnets), helper-vips.ts
 * (against its addresses) → model. document.ts is the way back.
 */
import { VsnatError } from '../errors.js';
import type { Model } from '../model/model.js';
import { serverId } from '../model/service.js';
import { atOnce, Pace, paced } from '../pace.js';
import { checkingBetweenKeys } from './checks.js';
import { checkSourceComplaints } from './check-sources.js';
import { drafting, modelOf, type Draft } from './draft.js';
import type { Environment } from './environment.js';
import { filesOnDisk, readText } from './files.js';
import { helperComplaints } from './helper-vips.js';
import { mostBytes, readSources, type Sources } from './include.js';
import { ConfigError, formatProblem, type Problem } from './problem.js';
import { reachComplaints, type HostNetwork, type Remark } from './reach.js';
import { noModules, readWithModules, type FindScheduler, type SchedulerSource } from './schedulers.js';
import { checkShape } from './shape.js';

export { ConfigError, formatProblem, type Problem } from './problem.js';
export type { FindScheduler, LoadedScheduler, SchedulerSource } from './schedulers.js';
export { documentOf, serviceDocuments, settingsDocument } from './document.js';
export { healthDocument, isSecret, standingDocument } from './health-document.js';
export { problemsOf } from './problems-of.js';
export { printableDocument, printModel } from './print.js';
export { unreachable, type HostNetwork, type HostPrefix } from './reach.js';
export type { Environment } from './environment.js';
export type { ConfigDocument } from './schema.js';

/** What reading a configuration may look at besides its text. */
export interface ConfigOptions {
  /**
   * The host's subnets, to check that every server is in one. null when they could not be listed: the check is
   * skipped with a note. Left out: not checked.
   */
  readonly host?: HostNetwork | null;
  /** What runs now, on a reload: its servers that are out of reach today are told in a note and are no mistake. */
  readonly running?: Model;
  /** What ${NAME} stands for; the environment of this process unless given. */
  readonly environment?: Environment;
  /**
   * Left out: a service that names a scheduler module is a mistake.
   * @internal
   */
  readonly schedulers?: FindScheduler;
}

/** A configuration that was read. */
export interface Config {
  readonly model: Model;
  /** As messages name them: the one that was asked for, and those it includes. */
  readonly files: readonly string[];
  /** Sentences for the log: what could not be checked, or is not there yet. */
  readonly notes: readonly string[];
}

/** Throws ConfigError with every problem, or VSNAT_CONFIG_UNREADABLE. */
export function loadConfig(file: string, options: ConfigOptions = {}): Config {
  return parseConfig(textOf(file), { ...options, file });
}

/** The same in slices, and for a configuration that may name scheduler modules, which `source` imports. */
export function loadConfigWithModules(
  file: string,
  source: SchedulerSource,
  options: ConfigOptions = {},
): Promise<Config> {
  return readWithModules(source, async (schedulers) => {
    const steps = parsing(textOf(file), { ...options, file, schedulers });
    return paced(steps, new Pace());
  });
}

/** The same from text. `file` is the name in messages, and what it includes is relative to it. */
export function parseConfig(text: string, options: ConfigOptions & { readonly file?: string } = {}): Config {
  return atOnce(parsing(text, options));
}

type ParseOptions = ConfigOptions & { readonly file?: string };

/** In steps, so that a daemon that reloads can do something else between them. */
function* parsing(text: string, options: ParseOptions): Generator<void, Config, undefined> {
  const sources = readSources(text, options.file ?? 'vsnat.yaml', options.environment ?? process.env);
  yield;
  const drafted = yield* checking(sources, options.schedulers ?? noModules);
  const notes = checkHost(drafted, options);
  yield;
  throwIfAny(sources);
  return {
    model: modelOf(drafted),
    files: sources.files.map(({ problems }) => problems.positions.file),
    notes: [...sources.notes, ...notes],
  };
}

/** Throws what makes further checks pointless. */
function* checking(sources: Sources, find: FindScheduler): Generator<void, Draft, undefined> {
  const roots = sources.files.flatMap(({ root, schema, problems }) => {
    if (root === undefined) return [];
    checkShape(schema, root.value, problems);
    return [root];
  });
  const [first, ...others] = roots;
  if (first === undefined || sources.files[0]?.root === undefined) throw new ConfigError(problemsIn(sources));
  yield;
  const drafted = yield* drafting(first, others, filesOnDisk, find);
  yield* checkingBetweenKeys(drafted);
  return drafted;
}

/** Adds what is a mistake; gives back what is only worth knowing. */
function checkHost({ services }: Draft, { host, running }: ConfigOptions): readonly string[] {
  if (host === undefined) return [];
  if (host === null) return ['the subnets of this host are unknown; servers were not checked for reach'];
  const configured = new Set(
    running?.services.flatMap(({ servers, sorryServers }) => [...servers, ...sorryServers].map(serverId)),
  );
  const helped = new Map(running?.services.map(({ name, helper }) => [name, helper]));
  const notes: string[] = [];
  const say = ({ at, complaint }: Remark, runs: boolean): void => {
    if (!runs) at.problems.add(at.path, complaint);
    else {
      const problem = formatProblem(at.problems.describe(at.path, complaint));
      notes.push(`${problem} (accepted: it is configured already)`);
    }
  };
  for (const remark of reachComplaints(services, host)) say(remark, configured.has(remark.server.id));
  for (const remark of checkSourceComplaints(services, host)) say(remark, false);
  for (const remark of helperComplaints(services, host)) {
    const { name, helper } = remark.service;
    say(remark, helped.get(name?.value ?? '') === helper?.value);
  }
  return notes;
}

/** In the order of the files, and in each in the order of its text. */
const problemsIn = ({ files }: Sources): readonly Problem[] => files.flatMap(({ problems }) => problems.list);

function throwIfAny(sources: Sources): void {
  const problems = problemsIn(sources);
  if (problems.length > 0) throw new ConfigError(problems);
}

function textOf(file: string): string {
  const text = readText(file, mostBytes);
  if (text.ok) return text.value;
  throw new VsnatError('VSNAT_CONFIG_UNREADABLE', `${file}: cannot be read, got ${text.got}; ${text.hint}`, {
    cause: text.cause,
  });
}
