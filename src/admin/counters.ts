// SPDX-License-Identifier: Apache-2.0
/** What the API counts of itself. Its labels are the routes there are and the statuses they have, so they are bounded. */
import { Durations } from '../director/durations.js';
import type { AdminFacts } from '../metrics/admin.js';
import { rejections, type Rejection } from './gate.js';
import type { StreamCounters } from './event-streams.js';

export class AdminCounters {
  readonly #requests = new Map<string, { readonly route: string; readonly code: number; count: number }>();
  readonly #durations = new Map<string, Durations>();
  readonly #rejected = new Map<Rejection, number>(rejections.map((reason) => [reason, 0]));

  answered(route: string, code: number, seconds: number): void {
    const key = `${route} ${code}`;
    const entry = this.#requests.get(key) ?? { route, code, count: 0 };
    entry.count += 1;
    this.#requests.set(key, entry);
    const durations = this.#durations.get(route) ?? new Durations();
    durations.add(seconds);
    this.#durations.set(route, durations);
  }

  rejected(reason: Rejection): void {
    this.#rejected.set(reason, (this.#rejected.get(reason) ?? 0) + 1);
  }

  facts({ open, dropped }: StreamCounters): AdminFacts {
    return {
      requests: [...this.#requests.values()].map((entry) => ({ ...entry })),
      times: [...this.#durations].map(([route, { times }]) => ({ route, ...times })),
      rejected: [...this.#rejected].map(([reason, count]) => ({ reason, count })),
      streams: open,
      streamsDropped: dropped,
    };
  }
}
