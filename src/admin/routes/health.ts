// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { failureReasonNames } from '../../health/reason.js';
import type { Checked, CheckedState } from '../../health/state.js';
import { refuseUnknown } from '../known-names.js';
import { route } from '../route.js';
import { paging } from '../schemas/paging.js';
import { count, flag, oneOf, orNull, text, unixMs } from '../schemas/words.js';

const verdict = oneOf(['unknown', 'up', 'down']);

const check = Type.Object({
  kind: oneOf(['tcp', 'http', 'https', 'dns', 'udp', 'icmp', 'exec', 'agent', 'module']),
  verdict,
  lastAt: orNull(unixMs),
  lastDurationMs: orNull(Type.Number({ minimum: 0 })),
  lastReason: orNull(oneOf(failureReasonNames)),
  lastMessage: text,
  consecutive: Type.Integer({ description: 'Answers like the last one in a row; negative of bad ones.' }),
  rise: count,
  fall: count,
});

export const healthRoute = route({
  method: 'GET',
  path: '/v1/health',
  summary: 'what the checks know of every checked server',
  query: {
    service: Type.Optional(Type.String({ maxLength: 255, description: 'Only servers of this service.' })),
    server: Type.Optional(Type.String({ maxLength: 255, description: 'Only this `address:port`.' })),
    ...paging,
  },
  refusals: [503],
  answer: Type.Object({
    servers: Type.Array(
      Type.Object({
        service: text,
        server: text,
        verdict,
        weightPercent: orNull(Type.Number()),
        drainAsked: flag,
        suspect: flag,
        since: unixMs,
        checks: Type.Array(check),
      }),
    ),
    next: orNull(count),
  }),
  handle: ({ actions, query }) => {
    const able = actions();
    refuseUnknown(query, () => able.services());
    const page = new HealthPage(able.health(), query);
    return {
      body: {
        servers: page.rows(),
        get next() {
          return page.next; // known when the rows are written
        },
      },
    };
  },
});

interface HealthQuery {
  readonly service?: string;
  readonly server?: string;
  readonly cursor?: number;
  readonly limit?: number;
}

/** Some of the servers that are checked; a place is counted among all of them. */
class HealthPage {
  readonly #servers: Iterable<Checked>;
  readonly #query: HealthQuery;
  #next: number | null = null;

  constructor(servers: Iterable<Checked>, query: HealthQuery) {
    this.#servers = servers;
    this.#query = query;
  }

  get next(): number | null {
    return this.#next;
  }

  *rows(): Generator<CheckedState, void, undefined> {
    const { service, server, cursor = 0, limit = Infinity } = this.#query;
    let [place, told] = [-1, 0];
    for (const one of this.#servers) {
      place += 1;
      if (place < cursor || (service ?? one.service) !== one.service || (server ?? one.server) !== one.server)
        continue;
      if (told === limit) {
        this.#next = place;
        return;
      }
      yield one.state();
      told += 1;
    }
  }
}
