// SPDX-License-Identifier: Apache-2.0
/**
 * The filters of GET /v1/flows, and the walk that obeys them. One request looks at a bounded number of rows however
 * few match, so that a filter that matches nothing cannot hold the daemon up on a table of millions.
 */
import type { ConnectionRow } from '../director/report.js';
import type { FlowsAnswer } from './api.js';

export const maxRows = 1_000;
export const defaultRows = 200;
/** Rows looked at for one request: about 10 ms of work. */
export const maxScanned = 8_192;

export const flowFilters = ['service', 'protocol', 'state', 'client', 'vip', 'server'] as const;

export type FlowFilter = (typeof flowFilters)[number];
export type FlowFilters = Readonly<Partial<Record<FlowFilter, string>>>;

export interface FlowQuery {
  readonly cursor: number;
  readonly limit: number;
  readonly filters: FlowFilters;
}

/** The texts that find a row. */
const readers: Readonly<Record<FlowFilter, (row: ConnectionRow) => readonly (string | null)[]>> = {
  service: (row) => [row.service],
  protocol: (row) => [row.protocol],
  state: (row) => [row.state],
  client: (row) => endpointTexts(row.clientAddress, row.clientPort),
  vip: (row) => endpointTexts(row.virtualAddress, row.virtualPort),
  server: (row) => endpointTexts(row.realAddress, row.realPort),
};

/** Whether a row is one of those asked for. */
export function matcher(filters: FlowFilters): (row: ConnectionRow) => boolean {
  const given = flowFilters.filter((name) => filters[name] !== undefined);
  return (row) => given.every((name) => readers[name](row).some((text) => text === filters[name]));
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

/** An endpoint is found by its address alone, or by address and port. */
const endpointTexts = (address: string, port: number): readonly string[] => [
  address,
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
];
