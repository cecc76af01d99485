// SPDX-License-Identifier: Apache-2.0
/**
 * Where a configuration finds custom schedulers. Reading a configuration cannot wait, and importing a module must; so
 * modules are imported between two readings: the first says which are named, the second has them.
 */
import { good, mistake, type Parsed } from '../model/parsed.js';
import type { CustomScheduler } from '../model/custom-scheduler.js';
import type { Model } from '../model/model.js';

/** A scheduler module that was imported. */
export interface LoadedScheduler {
  readonly scheduler: CustomScheduler;
  /** Another one whenever the file is another. */
  readonly version: string;
  /** It runs already: neither it nor its options need to be tried. */
  readonly isTrusted?: true;
}

/** What `reference` in a file of the folder `base` means; a complaint continues "must". */
export type FindScheduler = (reference: string, base: string) => Parsed<LoadedScheduler>;

/** Imports modules: src/modules/ does. Never rejects. */
export interface SchedulerSource {
  load(reference: string, base: string): Promise<Parsed<LoadedScheduler>>;
}

/** For readings that cannot wait. */
export const noModules: FindScheduler = () =>
  mistake(
    'be one that needs no module here',
    'read the configuration with loadConfigWithModules, or give virtualService the scheduler itself',
  );

/** For a document made of a model that runs: each scheduler by the name it has there. */
export function runningSchedulers({ services }: Model): FindScheduler {
  const programs = new Map(
    services.flatMap(({ scheduler }) =>
      typeof scheduler === 'string' ? [] : [[scheduler.reference, scheduler] as const],
    ),
  );
  return (reference) => {
    const program = programs.get(reference);
    return program === undefined
      ? mistake('be a scheduler that runs')
      : good({ scheduler: program.scheduler, version: program.version, isTrusted: true });
  };
}

/** Reads twice: first to learn which modules there are, then with them. */
export async function readWithModules<T>(
  source: SchedulerSource,
  read: (find: FindScheduler) => Promise<T>,
): Promise<T> {
  const named = new Map<string, readonly [reference: string, base: string]>();
  const keyOf = (reference: string, base: string): string => `${base}\n${reference}`;
  const first = read((reference, base) => {
    named.set(keyOf(reference, base), [reference, base]);
    return good(standIn);
  });
  await first.catch(() => undefined); // its mistakes are told where nothing is named, and by the second reading
  if (named.size === 0) return first;
  const loaded = new Map(
    await Promise.all([...named].map(async ([key, name]) => [key, await source.load(...name)] as const)),
  );
  return read((reference, base) => loaded.get(keyOf(reference, base)) ?? noModules(reference, base));
}

const standIn: LoadedScheduler = {
  scheduler: { name: 'not-loaded-yet', plan: () => ({ kind: 'cycle', lead: [], loop: [] }) },
  version: '',
  isTrusted: true,
};
