// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat convert`: what an LVS user has, a keepalived.conf or ipvsadm-save's text, as a vsnat.yaml. Nothing is left out in
 * silence: what has no counterpart is a note with its place, and what comes out is read again as a configuration.
 */
import { ConfigError, formatProblem, parseConfig } from '../config/index.js';
import type { Names } from '../ipvsadm/index.js';
import { readKeepalived, type SourceFile } from './keepalived/index.js';
import { Notes, type Note } from './note.js';
import { looksLikeRules, readRules } from './rules.js';
import { yamlText } from './yaml.js';

export { formatNote, type Note } from './note.js';
export type { SourceFile } from './keepalived/index.js';

export interface ConvertOptions {
  /** keepalived -i; null: lines for a named host are left out. */
  readonly configId: string | null;
  readonly include: (pattern: string, from: string) => readonly SourceFile[];
  /** Of hosts and services in ipvsadm's rules. */
  readonly names: Names;
}

export interface Conversion {
  readonly yaml: string;
  readonly format: 'keepalived' | 'ipvsadm';
  readonly services: number;
  /** Written as comments: they need a person. */
  readonly unfinished: number;
  readonly notes: readonly Note[];
  /** What `vsnat check` would say of the result. */
  readonly problems: readonly string[];
}

/** Throws VSNAT_CONFIG_INVALID for a source that its own program would not read either. */
export async function convert(source: SourceFile, options: ConvertOptions): Promise<Conversion> {
  const notes = new Notes();
  const isRules = looksLikeRules(source.text);
  const services = isRules
    ? await readRules(source, options.names, notes)
    : readKeepalived(source, options, notes);
  const yaml = yamlText(services, { from: source.file, notes: notes.list });
  return {
    yaml,
    format: isRules ? 'ipvsadm' : 'keepalived',
    services: services.length,
    unfinished: services.filter(({ unfinished }) => unfinished !== null).length,
    notes: notes.list,
    problems: problemsOf(yaml),
  };
}

function problemsOf(yaml: string): readonly string[] {
  try {
    parseConfig(yaml, { file: 'vsnat.yaml' });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(formatProblem);
    throw error;
  }
}
