// SPDX-License-Identifier: Apache-2.0
/** `vsnat check`: every mistake of a configuration, for people and editors; or what it says. Gives the exit code. */
import {
  ConfigError,
  formatProblem,
  loadConfig,
  printableDocument,
  printModel,
  type Config,
} from '../config/index.js';
import { schemaText } from '../config/schema.js';
import { describeChange, diffModels } from '../director/diff.js';
import { exitCodes, VsnatError } from '../errors.js';
import type { Io } from './io.js';
import { loadForThisHost } from './machine.js';
import { plural } from './table.js';

export interface CheckOptions {
  /** The configuration with everything written out, in the place of the summary. */
  readonly print?: boolean;
  /** The JSON Schema, and nothing else. */
  readonly schema?: boolean;
  /** Another configuration: what would change on the way from it to this one. */
  readonly from?: string;
}

export async function check(
  file: string | undefined,
  json: boolean,
  io: Io,
  options: CheckOptions = {},
): Promise<number> {
  const { print: toPrint, schema, from } = options;
  if ([toPrint, schema, from].filter((option) => option !== undefined).length > 1)
    throw new VsnatError('VSNAT_USAGE', 'check: --print, --from and --schema must come alone; choose one');
  if (schema === true) {
    io.out(schemaText().trimEnd());
    return exitCodes.ok;
  }
  if (file === undefined)
    throw new VsnatError('VSNAT_USAGE', 'check: must be told the file; write `vsnat check FILE`');
  try {
    const config = await loadForThisHost(file);
    if (toPrint === true) print(config, json, io);
    else if (from !== undefined) printDifference(loadConfig(from), config, json, io);
    else summarize(file, config, json, io);
    if (!json) for (const note of config.notes) io.complain(`${file}: note: ${note}`);
    return exitCodes.ok;
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    io.json({ ok: false, file, problems: error.problems.map((it) => ({ ...it, text: formatProblem(it) })) });
    return exitCodes.badConfiguration;
  }
}

function summarize(file: string, { model, files, notes }: Config, json: boolean, io: Io): void {
  const servers = model.services.reduce((total, service) => total + service.servers.length, 0);
  if (json) {
    io.json({ ok: true, file, services: model.services.length, servers, files, notes });
    return;
  }
  const parts = [plural(model.services.length, 'service'), plural(servers, 'real server')];
  if (files.length > 1) parts.push(plural(files.length, 'file'));
  io.out(`${file}: ok, ${parts.join(', ')}`);
}

function print({ model }: Config, json: boolean, io: Io): void {
  if (json) io.json(printableDocument(model));
  else io.out(printModel(model).trimEnd());
}

/** As a reload prints it; nothing when the two say the same. */
function printDifference(before: Config, after: Config, json: boolean, io: Io): void {
  const changes = diffModels(before.model, after.model);
  if (json) io.json({ ok: true, changes });
  else if (changes.length === 0) io.out('unchanged');
  else for (const change of changes) io.out(describeChange(change));
}
