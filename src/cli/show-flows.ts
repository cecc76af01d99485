// SPDX-License-Identifier: Apache-2.0
/** The connection table as LVS people know it from `ipvsadm -Lnc`, once or as it changes. */
import type { FlowsAnswer } from '../admin/api.js';
import { maxRows } from '../admin/flow-filters.js';
import type { ConnectionRow } from '../director/report.js';
import { connectionLine, connectionTitles, inNumbers } from '../ipvsadm/index.js';
import type { Io } from './io.js';
import { repeat } from './repeat.js';

const flowsTitle = connectionTitles(false)[1] ?? '';

const flowLine = (row: ConnectionRow): string => connectionLine(row, inNumbers);

export interface FlowsWanted {
  /** Filters by their name in the API. */
  readonly filters: Readonly<Record<string, string>>;
  readonly limit: number;
}

/** Fetches page after page until `limit` rows are there or the table ends. */
export async function* fetchFlows(
  wanted: FlowsWanted,
  ask: (path: string) => Promise<FlowsAnswer>,
): AsyncGenerator<FlowsAnswer> {
  let cursor: number | null = 0;
  let missing = wanted.limit;
  while (cursor !== null && missing > 0) {
    const query = new URLSearchParams({
      ...wanted.filters,
      cursor: String(cursor),
      limit: String(Math.min(missing, maxRows)),
    });
    const page = await ask(`/v1/flows?${query.toString()}`);
    yield page;
    missing -= page.rows.length;
    cursor = page.next;
  }
}

export async function showFlows(pages: AsyncIterable<FlowsAnswer>, json: boolean, io: Io): Promise<void> {
  const rows: FlowsAnswer['rows'][number][] = [];
  let next: number | null = null;
  let isFirst = true;
  for await (const page of pages) {
    if (!json && isFirst) io.heading(flowsTitle); // not before the daemon has answered
    isFirst = false;
    next = page.next;
    if (json) rows.push(...page.rows);
    else page.rows.forEach((row) => io.line(flowLine(row)));
  }
  if (json) io.json({ rows, complete: next === null });
  else if (next !== null) io.complain('vsnat: there are more; --all shows every connection');
}

type Rows = ReadonlyMap<string, ConnectionRow>;

/** A connection that came and went between two looks is not seen. With --json each is a line. */
export async function followFlows(
  pages: (signal: AbortSignal) => AsyncIterable<FlowsAnswer>,
  everyMs: number,
  json: boolean,
  io: Io,
): Promise<void> {
  let before: Rows | null = null;
  await repeat(async (signal) => {
    const now = new Map<string, ConnectionRow>();
    for await (const { rows } of pages(signal)) for (const row of rows) now.set(keyOf(row), row);
    if (before === null && !json) io.heading(`  ${flowsTitle}`);
    before ??= new Map();
    for (const { sign, row } of difference(before, now)) {
      if (json) io.jsonLine({ event: sign === '+' ? 'came' : 'went', ...row });
      else io.line(`${sign} ${flowLine(row)}`);
    }
    before = now;
  }, everyMs);
}

export function* difference(
  before: Rows,
  now: Rows,
): Generator<{ readonly sign: '+' | '-'; readonly row: ConnectionRow }> {
  for (const [key, row] of before) if (!now.has(key)) yield { sign: '-', row };
  for (const [key, row] of now) if (!before.has(key)) yield { sign: '+', row };
}

/** What is one connection: a client port that is used again towards the same server is not told apart. */
export const keyOf = (row: ConnectionRow): string =>
  [
    row.protocol,
    row.clientAddress,
    row.clientPort,
    row.virtualAddress,
    row.virtualPort,
    row.realAddress,
    row.realPort,
  ].join(' ');
