// SPDX-License-Identifier: Apache-2.0
/**
 * A configuration as its files: the one that is named, and what it includes, and what that includes. Each is read, has
 * its references replaced and keeps its own positions, so that every complaint names the file it is about. What is wrong
 * with an include is said where the include stands.
 */
import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { isMap } from './defaults.js';
import { substitute, type Environment } from './environment.js';
import { Field } from './field.js';
import { codeOf, readText } from './files.js';
import { expand, isGlob } from './glob.js';
import { printable, show, type Problems } from './problem.js';
import { configSchema, includedSchema, type SchemaNode } from './schema.js';
import { readYaml } from './yaml.js';

export interface Sources {
  /** The file that was named, then the included ones in the order in which their services are appended. */
  readonly files: readonly SourceFile[];
  readonly notes: readonly string[];
}

export interface SourceFile {
  readonly schema: SchemaNode;
  readonly problems: Problems;
  /** undefined after a complaint: there is nothing to look into. */
  readonly root: Field | undefined;
}

/** All files together, so that an include cannot take what one file may not. */
export const mostBytes = 64 * 2 ** 20;

export const mostFiles = 10_000;

export function readSources(text: string, file: string, environment: Environment): Sources {
  const reading = new Reading(environment);
  reading.read(text, file, realPath(file), []);
  return reading;
}

class Reading implements Sources {
  readonly files: SourceFile[] = [];
  readonly notes: string[] = [];
  readonly #environment: Environment;
  /** By real path: where it was included, undefined for the first. */
  readonly #seen = new Map<string, Field | undefined>();
  #bytesLeft = mostBytes;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** `chain`: the files that lead here, which must not come again. */
  read(text: string, file: string, real: string, chain: readonly string[], from?: Field): void {
    this.#seen.set(real, from);
    this.#bytesLeft -= text.length;
    const isFirst = from === undefined;
    const schema = isFirst ? configSchema : includedSchema;
    const { value: read, problems } = readYaml(text, file);
    // A file of comments is a way to switch off what it held.
    const value = read === null && !isFirst ? {} : read;
    if (text.includes('${')) substitute(value, schema, this.#environment, problems);
    if (value !== undefined && !isMap(value)) {
      problems.add([], {
        must: 'be a map with services',
        got: show(value),
        hint: 'write at least "services: []"',
      });
    }
    const root = isMap(value) ? Field.root(value, problems, schema) : undefined;
    this.files.push({ schema, problems, root });
    if (root === undefined) return;
    for (const item of patternsOf(root.get('include'))) this.#include(item, [...chain, real]);
  }

  #include(item: Field, chain: readonly string[]): void {
    const pattern = item.text();
    if (pattern === undefined) return;
    for (const path of this.#pathsOf(item, pattern)) this.#includeFile(item, path, chain);
  }

  #pathsOf(item: Field, pattern: string): readonly string[] {
    const folder = dirname(item.problems.positions.file);
    const path = isAbsolute(pattern) ? pattern : join(folder, pattern);
    if (pattern.includes('\0')) {
      item.refuse({ must: 'have no NUL' });
      return [];
    }
    if (!isGlob(pattern)) return [path];
    if (pattern.includes('**')) {
      item.refuse({ must: 'have no **', hint: 'list the folders one by one' });
      return [];
    }
    try {
      const found = expand(pattern, folder);
      if (found.length === 0)
        this.notes.push(printable(`${item.place}: ${item.label}: ${show(pattern)} names no file yet`));
      return found;
    } catch (error) {
      item.refuse({ must: 'name files that can be read', hint: `${path}: ${codeOf(error)}` });
      return [];
    }
  }

  #includeFile(item: Field, path: string, chain: readonly string[]): void {
    const real = realPath(path);
    if (chain.includes(real)) {
      item.refuse({ must: 'not lead back to a file that includes it', hint: `${path} is on the way here` });
      return;
    }
    if (this.#seen.has(real)) {
      const other = this.#seen.get(real);
      const where = other === undefined ? 'it is the first file' : `${other.labelFrom(item)} has it already`;
      item.refuse({ must: 'name each file once', hint: `${path}: ${where}` });
      return;
    }
    if (this.files.length >= mostFiles) {
      this.#seen.set(real, item); // said once
      if (this.files.length === mostFiles)
        item.refuse({ must: `name at most ${mostFiles} files in all`, hint: 'put more services into each' });
      return;
    }
    const text = readText(path, this.#bytesLeft);
    if (text.ok) this.read(text.value, path, real, chain, item);
    else item.refuse({ must: 'name files that can be read', hint: `${path}: ${text.got}` });
  }
}

const patternsOf = (include: Field): readonly Field[] =>
  include.text() === undefined ? include.items() : [include];

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path); // text without a file, or a file that reading will complain about
  }
}
