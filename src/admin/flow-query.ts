// SPDX-License-Identifier: Apache-2.0
/**
 * The filters of GET /v1/flows, and the walk that obeys them. One request looks at a bounded number of rows however
 * few match, so that a filter that matches nothing cannot hold the daemon up on a table of millions.
 */
import type { ConnectionRow } from '../director/report.js';
import type { FlowsAnswer } from './api.js';
import { flowFilters, type FlowFilter, type FlowFilters } from './flow-filters.js';
import { readPlace } from './place.js';

/** Rows looked at for one request: about 10 ms of work. */
export const maxScanned = 8_192;

export interface FlowQuery {
  readonly cursor: number;
  readonly limit: number;
  readonly filters: FlowFilters;
}

type Matches = (row: ConnectionRow) => boolean;

/** What a filter makes of its text. */
const makers: Readonly<Record<FlowFilter, (text: string) => Matches>> = {
  service: (text) => (row) => row.service === text,
  protocol: (text) => (row) => row.protocol === text,
  state: (text) => (row) => row.state === text,
  client: endMatcher('client', (row) => [row.clientAddress, row.clientPort]),
  vip: endMatcher('vip', (row) => [row.virtualAddress, row.virtualPort]),
  server: endMatcher('server', (row) => [row.realAddress, row.realPort]),
};

/** Whether a row is one of those asked for. Throws VSNAT_USAGE for what is no address where one belongs. */
export function matcher(filters: FlowFilters): Matches {
  const given = flowFilters.flatMap((name) => {
    const text = filters[name];
    return text === undefined ? [] : [makers[name](text)];
  });
  return (row) => given.every((matches) => matches(row));
}

/** An endpoint is found by its address alone, or by address and port. */
function endMatcher(
  name: FlowFilter,
  endOf: (row: ConnectionRow) => readonly [address: string, port: number],
): (text: string) => Matches {
  return (text) => {
    const wanted = readPlace(name, text);
    return (row) => {
      const [address, port] = endOf(row);
      return address === wanted.address && (wanted.port === undefined || port === wanted.port);
    };
  };
}

/** Walks until the page is full, the table ends, or enough rows were looked at. */
export function walkFlows(
  query: FlowQuery,
  page: (cursor: number, limit: number) => FlowsAnswer,
): FlowsAnswer {
  const matches = matcher(query.filters);
  const rows: ConnectionRow[] = [];
  let cursor: number | null = query.cursor;
  let scanned = 0;
  while (cursor !== null && rows.length < query.limit && scanned < maxScanned) {
    const { rows: some, next } = page(cursor, query.limit - rows.length);
    rows.push(...some.filter(matches));
    scanned += Math.max(some.length, 1);
    cursor = next;
  }
  return { rows, next: cursor };
}
