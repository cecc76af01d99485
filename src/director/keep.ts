// SPDX-License-Identifier: Apache-2.0
/**
 * A file is loaded while the running configuration differs from the last one: what of these differences stays, where
 * admin.run_time_changes is `keep`. Property by property, as a merge of three: what was changed at run time
 * and is in the new file as it was in the old one stays changed; what the file has changed as well is the file's, which
 * is the later word, and that is told. Pure.
 */
import { serverId, type Model, type RealServer, type VirtualService } from '../model/index.js';
import { isDeepEqual } from './reuse.js';

export interface Kept {
  readonly model: Model;
  /** What could not be kept, a sentence each. */
  readonly notes: readonly string[];
}

/** `base` is the last file, `running` what was made of it, `file` the new one. */
export function keepChanges(base: Model, running: Model, file: Model): Kept {
  const notes: string[] = [];
  const services = mergeLists<VirtualService>(
    { base: base.services, running: running.services, file: file.services },
    {
      name: ({ name }) => name,
      what: (name) => `service ${name}`,
      merge: (three, name) => mergeService(three, name, notes),
    },
    notes,
  );
  return { model: { ...file, services }, notes };
}

interface Three<T> {
  readonly base: T;
  readonly running: T;
  readonly file: T;
}

interface ListOf<T> {
  readonly name: (item: T) => string;
  readonly what: (name: string) => string;
  readonly merge: (three: Three<T>, name: string) => T;
}

function mergeLists<T>(
  lists: Three<readonly T[]>,
  { name, what, merge }: ListOf<T>,
  notes: string[],
): readonly T[] {
  const base = new Map(lists.base.map((item) => [name(item), item]));
  const running = new Map(lists.running.map((item) => [name(item), item]));
  const inFile = new Set(lists.file.map(name));
  const kept = lists.file.flatMap((item) => {
    const key = name(item);
    const [old, now] = [base.get(key), running.get(key)];
    if (old === undefined) {
      if (now !== undefined && !isDeepEqual(now, item))
        notes.push(`${what(key)}: was added at run time and is in the file now, which has it another way`);
      return [item];
    }
    if (now === undefined) {
      if (isDeepEqual(old, item)) return [];
      notes.push(`${what(key)}: was deleted at run time and has been changed in the file, so it is back`);
      return [item];
    }
    return [merge({ base: old, running: now, file: item }, key)];
  });
  const added = lists.running.filter((item) => !inFile.has(name(item)) && !base.has(name(item)));
  for (const item of lists.running) {
    const old = base.get(name(item));
    if (old !== undefined && !inFile.has(name(item)) && !isDeepEqual(old, item))
      notes.push(`${what(name(item))}: was changed at run time and is not in the file any more`);
  }
  return [...kept, ...added];
}

function mergeService(three: Three<VirtualService>, name: string, notes: string[]): VirtualService {
  if (three.running === three.base) return three.file; // nobody has changed it
  const servers = mergeLists<RealServer>(
    { base: three.base.servers, running: three.running.servers, file: three.file.servers },
    {
      name: serverId,
      what: (id) => `server ${id} of ${name}`,
      merge: (of, id) => mergeProperties(of, `server ${id} of ${name}`, notes),
    },
    notes,
  );
  return { ...mergeProperties(three, `service ${name}`, notes, 'servers'), servers };
}

function mergeProperties<T extends object>(
  { base, running, file }: Three<T>,
  what: string,
  notes: string[],
  except?: keyof T,
): T {
  const merged = { ...file };
  for (const key of new Set([...Object.keys(file), ...Object.keys(running)]) as Set<keyof T>) {
    if (key === except || isDeepEqual(running[key], base[key])) continue;
    if (isDeepEqual(file[key], base[key])) {
      if (running[key] === undefined) Reflect.deleteProperty(merged, key);
      else merged[key] = running[key];
    } else if (!isDeepEqual(file[key], running[key])) {
      notes.push(`${what}: ${String(key)} was changed at run time and in the file; the file's is taken`);
    }
  }
  return merged;
}
