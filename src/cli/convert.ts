// SPDX-License-Identifier: Apache-2.0
/** `vsnat convert`: the YAML goes to standard output, what a person has to know to standard error. Gives the exit code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { convert, formatNote, type Conversion, type SourceFile } from '../convert/index.js';
import { exitCodes, VsnatError } from '../errors.js';
import { includeFiles } from './include-files.js';
import type { Io } from './io.js';
import { machineNames } from './names.js';
import { plural } from './table.js';

export interface ConvertOptions {
  /** Instead of standard output. */
  readonly output?: string;
  readonly configId?: string;
}

export async function convertFile(
  file: string,
  { output, configId }: ConvertOptions,
  json: boolean,
  io: Io,
): Promise<number> {
  const source = file === '-' ? { file: 'standard input', text: await io.input() } : read(file);
  const result = await convert(source, {
    configId: configId ?? null,
    include: (pattern, from) => includeFiles(pattern, dirname(from)).map(read),
    names: machineNames(),
  });
  if (json) io.json(result);
  else {
    if (output === undefined) io.out(result.yaml.trimEnd());
    else write(output, result.yaml);
    tell(result, io);
  }
  return result.problems.length === 0 ? exitCodes.ok : exitCodes.badConfiguration;
}

function tell({ notes, problems, services, unfinished, format }: Conversion, io: Io): void {
  for (const note of notes) io.complain(formatNote(note));
  for (const problem of problems) io.complain(`in the result, ${problem}`);
  const rest = unfinished === 0 ? '' : `, ${unfinished} of them to be finished by hand`;
  io.complain(
    `vsnat: ${plural(services, 'service')} from ${format}${rest}; ${plural(notes.length, 'note')}, ${plural(problems.length, 'problem')}`,
  );
}

function read(file: string): SourceFile {
  try {
    return { file, text: readFileSync(file, 'utf8') };
  } catch (cause) {
    throw new VsnatError(
      'VSNAT_CONFIG_UNREADABLE',
      `${file}: cannot be read, got ${codeOf(cause)}; check the path`,
      {
        cause,
      },
    );
  }
}

/** An existing file may be the configuration in use. */
function write(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (cause) {
    throw new VsnatError('VSNAT_USAGE', `${file}: must be a new file, got ${codeOf(cause)}; name another`, {
      cause,
    });
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
