// SPDX-License-Identifier: Apache-2.0
/** `vsnat check`: every mistake of a configuration, for people and editors. Gives the exit code. */
import { ConfigError, formatProblem } from '../config/index.js';
import { exitCodes, VsnatError } from '../errors.js';
import type { Io } from './io.js';
import { loadForThisHost } from './machine.js';
import { plural } from './table.js';

export async function check(file: string | undefined, json: boolean, io: Io): Promise<number> {
  if (file === undefined)
    throw new VsnatError('VSNAT_USAGE', 'check: must be told the file; write `vsnat check FILE`');
  try {
    const { model, notes } = await loadForThisHost(file);
    const servers = model.services.reduce((total, service) => total + service.servers.length, 0);
    if (json) io.json({ ok: true, file, services: model.services.length, servers, notes });
    else
      io.out(`${file}: ok, ${plural(model.services.length, 'service')}, ${plural(servers, 'real server')}`);
    if (!json) for (const note of notes) io.complain(`${file}: note: ${note}`);
    return exitCodes.ok;
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    io.json({ ok: false, file, problems: error.problems.map((it) => ({ ...it, text: formatProblem(it) })) });
    return exitCodes.badConfiguration;
  }
}
