// SPDX-License-Identifier: Apache-2.0
/**
 * The filters of GET /v1/flows, and the walk that obeys them. One request looks at a bounded number of rows however
 * few match, so that a filter that matches nothing cannot hold the daemon up on a table of millions.
 */
import type { ConnectionRow } from '../director/report.js';
import { VsnatError } from '../errors.js';
import type { FlowsAnswer } from './api.js';

export const maxRows = 1_000;
export const defaultRows = 200;
/** Rows looked at for one request: about 10 ms of work. */
export const maxScanned = 8_192;

export interface FlowQuery {
  readonly cursor: number;
  readonly limit: number;
  readonly matches: (row: ConnectionRow) => boolean;
}

const readers: Readonly<Record<string, (row: ConnectionRow) => readonly (string | number | null)[]>> = {
  service: (row) => [row.service],
  protocol: (row) => [row.protocol],
  state: (row) => [row.state],
  client: (row) => endpointTexts(row.clientAddress, row.clientPort),
  vip: (row) => endpointTexts(row.virtualAddress, row.virtualPort),
  server: (row) => endpointTexts(row.realAddress, row.realPort),
};

export const flowFilters: readonly string[] = Object.keys(readers);

/** Reads a query string. An unknown or repeated parameter is a mistake: ignoring it would show the wrong rows. */
export function readFlowQuery(parameters: URLSearchParams): FlowQuery {
  let cursor = 0;
  let limit = defaultRows;
  const filters: ((row: ConnectionRow) => boolean)[] = [];
  const seen = new Set<string>();
  for (const [name, value] of parameters) {
    if (seen.has(name)) throw mistake(name, 'be given once');
    seen.add(name);
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (name === 'cursor') cursor = wholeNumber(name, value, 0, Number.MAX_SAFE_INTEGER);
    else if (name === 'limit') limit = wholeNumber(name, value, 1, maxRows);
    else if (read === undefined) throw mistake(name, `be one of cursor, limit, ${flowFilters.join(', ')}`);
    else filters.push((row) => read(row).some((text) => text === value));
  }
  return { cursor, limit, matches: (row) => filters.every((filter) => filter(row)) };
}

/** Walks until the page is full, the table ends, or enough rows were looked at. */
export function walkFlows(
  query: FlowQuery,
  page: (cursor: number, limit: number) => FlowsAnswer,
): FlowsAnswer {
  const rows: ConnectionRow[] = [];
  let cursor: number | null = query.cursor;
  let scanned = 0;
  while (cursor !== null && rows.length < query.limit && scanned < maxScanned) {
    const { rows: some, next } = page(cursor, query.limit - rows.length);
    rows.push(...some.filter(query.matches));
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

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : -1;
  if (value < least || value > most)
    throw mistake(name, `be a whole number of ${least}..${most}, got "${text}"`);
  return value;
}

const mistake = (name: string, must: string): VsnatError =>
  new VsnatError('VSNAT_USAGE', `${name}: must ${must}`);
