// SPDX-License-Identifier: Apache-2.0
/** The connection table as LVS people know it from `ipvsadm -Lnc`. */
import type { FlowsAnswer } from '../admin/api.js';
import { maxRows } from '../admin/flow-query.js';
import type { ConnectionRow } from '../director/report.js';

export const flowsTitle = 'pro expire state       source             virtual            destination';

export function flowLine(row: ConnectionRow): string {
  return [
    row.protocol.toUpperCase().padEnd(3),
    expiry(row.expiresInSeconds).padEnd(6),
    row.state.padEnd(11),
    endpoint(row.clientAddress, row.clientPort).padEnd(18),
    endpoint(row.virtualAddress, row.virtualPort).padEnd(18),
    endpoint(row.realAddress, row.realPort),
  ].join(' ');
}

function expiry(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(whole / 60))}:${two(whole % 60)}`;
}

const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

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
