// SPDX-License-Identifier: Apache-2.0
/** What is counted of checks: answers, durations in buckets, changes of verdict. */
import type { CheckKind } from '../model/index.js';
import { failureReasonNames, type FailureReason } from './reason.js';
import { durationBounds, type CheckDurations } from './state.js';

export interface Counts {
  good: number;
  bad: number;
  skipped: number;
}

export const noCounts = (): Counts => ({ good: 0, bad: 0, skipped: 0 });

export const noFailures = (): Record<FailureReason, number> =>
  Object.fromEntries(failureReasonNames.map((name) => [name, 0])) as Record<FailureReason, number>;

interface Bucketed {
  readonly service: string;
  readonly kind: CheckKind;
  readonly counts: number[];
  sum: number;
}

export class Durations {
  readonly #of = new Map<string, Map<CheckKind, Bucketed>>();

  add(service: string, kind: CheckKind, ms: number): void {
    const kinds = this.#of.get(service) ?? new Map<CheckKind, Bucketed>();
    this.#of.set(service, kinds);
    let bucketed = kinds.get(kind);
    if (bucketed === undefined) {
      bucketed = { service, kind, counts: Array<number>(durationBounds.length + 1).fill(0), sum: 0 };
      kinds.set(kind, bucketed);
    }
    const bucket = bucketOf(ms / 1000);
    bucketed.counts[bucket] = (bucketed.counts[bucket] ?? 0) + 1;
    bucketed.sum += ms / 1000;
  }

  /** Forgets the services that are no longer there. */
  keepOnly(services: ReadonlySet<string>): void {
    for (const service of this.#of.keys()) if (!services.has(service)) this.#of.delete(service);
  }

  all(): CheckDurations[] {
    return [...this.#of.values()].flatMap((kinds) =>
      [...kinds.values()].map(({ service, kind, counts, sum }) => ({
        service,
        kind,
        counts: [...counts],
        sum,
      })),
    );
  }
}

function bucketOf(seconds: number): number {
  const bucket = durationBounds.findIndex((bound) => seconds <= bound);
  return bucket < 0 ? durationBounds.length : bucket;
}
