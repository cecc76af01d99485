// SPDX-License-Identifier: Apache-2.0
/**
 * Scheduler flags. The kernel knows three, without meaning of their own; sh and mh have names for the first two, and
 * the rest is flag-1, flag-2, flag-3.
 */
import type { SchedulerFlag } from '../model/index.js';
import { misuse } from './refusal.js';

const namedFlags: readonly {
  readonly scheduler: string;
  readonly flag: number;
  readonly name: SchedulerFlag;
}[] = [
  { scheduler: 'sh', flag: 1, name: 'sh-fallback' },
  { scheduler: 'sh', flag: 2, name: 'sh-port' },
  { scheduler: 'mh', flag: 1, name: 'mh-fallback' },
  { scheduler: 'mh', flag: 2, name: 'mh-port' },
];

/** The value of -b, with the scheduler of -s ("" when there was none). Sorted, each once. */
export function readFlags(scheduler: string, text: string): readonly number[] {
  const flags = new Set<number>();
  for (const name of text.split(',')) {
    if (name === '') continue;
    const generic = /^flag-([123])$/.exec(name);
    const named = namedFlags.find((one) => one.name === name);
    if (generic !== null) flags.add(Number(generic[1]));
    else if (named === undefined) throw misuse(`invalid scheduler flag \`${name}'`);
    else if (named.scheduler !== scheduler) throw misuse(`incompatible scheduler flag \`${name}'`);
    else flags.add(named.flag);
  }
  return [...flags].sort();
}

/** The flag by its scheduler's name for it; undefined when it has none, and so no effect. */
export const flagOf = (scheduler: string, flag: number): SchedulerFlag | undefined =>
  namedFlags.find((one) => one.scheduler === scheduler && one.flag === flag)?.name;

export const flagNumber = (flag: SchedulerFlag): number =>
  namedFlags.find((one) => one.name === flag)?.flag ?? 0;

/** As listings write them: "sh-fallback,sh-port". A scheduler with names of its own hides what it has no name for. */
export function formatFlags(scheduler: string, flags: readonly number[]): string {
  const hasNames = namedFlags.some((one) => one.scheduler === scheduler);
  const nameOf = (flag: number): string => (hasNames ? (flagOf(scheduler, flag) ?? '') : `flag-${flag}`);
  return flags.map(nameOf).filter(Boolean).join(',');
}
