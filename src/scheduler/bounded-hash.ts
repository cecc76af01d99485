// SPDX-License-Identifier: Apache-2.0
/**
 * bounded-hash: a client stays with its server, as with mh, until that one has `bound` times its share of all
 * connections; then it goes to the next around the Maglev table that has room (V. Mirrokni, M. Thorup, M. Zadimoghaddam,
 * "Consistent Hashing with Bounded Loads", SODA 2018; in use at Vimeo through HAProxy's hash-balance-factor).
 */
import type { CustomScheduler } from '../model/custom-scheduler.js';
import type { BoundedPlan } from '../model/plan.js';
import { maglevTable, type MaglevIndex } from './mh.js';

/** `scheduler_options` of bounded-hash. */
export interface BoundedHashOptions {
  /** 1..100. 1.25: no server has more than a quarter above the mean. */
  readonly bound?: number;
  /** What is hashed: the client's address, or the VIP. */
  readonly on?: 'source' | 'destination';
  /** Hash the client's port as well. */
  readonly port?: boolean;
  /** Which connections are load. UDP connections are never active. */
  readonly counted?: 'active' | 'all';
  /** Slots of the table: the more, the evener and the slower to build. */
  readonly table?: 4093 | 16381 | 65521;
}

const indexes: Readonly<Record<NonNullable<BoundedHashOptions['table']>, MaglevIndex>> = {
  4093: 12,
  16381: 14,
  65521: 16,
};

/** Consistent hashing with bounded loads, `scheduler: bounded-hash`; docs/schedulers.md. */
export const boundedHash: CustomScheduler<BoundedHashOptions> = {
  name: 'bounded-hash',
  options: {
    type: 'object',
    additionalProperties: false,
    properties: {
      bound: { type: 'number', minimum: 1, maximum: 100 },
      on: { enum: ['source', 'destination'] },
      port: { type: 'boolean' },
      counted: { enum: ['active', 'all'] },
      table: { enum: Object.keys(indexes).map(Number) },
    },
  },
  plan(servers, _loads, { options, protocols }): BoundedPlan {
    const { bound = 1.25, on = 'source', port = false, table = 4093 } = options;
    const isDatagrams = protocols.every((protocol) => protocol === 'udp');
    return {
      kind: 'bounded',
      on,
      usePort: port,
      boundPercent: Math.round(bound * 100),
      counted: options.counted ?? (isDatagrams ? 'all' : 'active'),
      // By last weights, so that draining a server moves nobody but its own clients.
      slots: maglevTable(servers, indexes[table]),
    };
  },
};
