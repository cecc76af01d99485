// SPDX-License-Identifier: Apache-2.0
/** The connection table as LVS people know it from `ipvsadm -Lnc`. */
import type { FlowsAnswer } from '../admin/api.js';
import { maxRows } from '../admin/flow-query.js';
import type { ConnectionRow } from '../director/report.js';
import { connectionLine, connectionTitles, inNumbers } from '../ipvsadm/index.js';
import type { Io } from './io.js';

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
  if (!json) io.heading(flowsTitle);
  for await (const page of pages) {
    next = page.next;
    if (json) rows.push(...page.rows);
    else page.rows.forEach((row) => io.out(flowLine(row)));
  }
  if (json) io.json({ rows, complete: next === null });
  else if (next !== null) io.complain('vsnat: there are more; --all shows every connection');
}
