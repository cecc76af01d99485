// SPDX-License-Identifier: Apache-2.0
import type { ConnectionPage, ConnectionRow } from '../../../src/director/report.js';

export function row(number: number, more: Partial<ConnectionRow> = {}): ConnectionRow {
  return {
    service: 'web',
    protocol: 'tcp',
    state: 'ESTABLISHED',
    expiresInSeconds: 897,
    clientAddress: '192.0.2.7',
    clientPort: number,
    virtualAddress: '10.9.0.1',
    virtualPort: 80,
    realAddress: '10.2.1.2',
    realPort: 8080,
    queue: 0,
    ...more,
  };
}

/** A table walked a page at a time, as the dataplane does. */
export function pageOf(
  rows: readonly ConnectionRow[],
  largest = 100,
): (cursor: number, limit: number) => ConnectionPage {
  return (cursor, limit) => {
    const end = cursor + Math.min(limit, largest);
    return { rows: rows.slice(cursor, end), next: end < rows.length ? end : null };
  };
}
