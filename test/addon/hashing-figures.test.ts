// SPDX-License-Identifier: Apache-2.0
/**
 * The figures of docs/schedulers.md, "What consistent hashing costs", played again by the simulator: whom a change of the
 * servers moves, and how far the fullest server is above its share. The same seed gives the same figures everywhere.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { realServer, virtualService, type RealServer } from '../../src/model/index.js';
import { boundedHash } from '../../src/scheduler/bounded-hash.js';
import { simulate, type Simulation } from '../../src/simulator/simulate.js';
import { generateTrace, type TraceConnection } from '../../src/simulator/trace.js';
import { projectRoot } from './support.js';

const bounded = (bound: number) => ({ scheduler: boundedHash, schedulerOptions: { bound } });
const columns = {
  mh: { scheduler: 'mh' },
  'bounded-hash, bound 2': bounded(2),
  'bounded-hash, bound 1.25': bounded(1.25),
  sh: { scheduler: 'sh' },
} as const;
type Column = keyof typeof columns;
const names = Object.keys(columns) as Column[];

const serversOf = (count: number): RealServer[] =>
  Array.from({ length: count }, (_, n) => realServer(`10.0.0.${n + 1}:8080`));

/** Some forty connections live at once for each server; a client comes four times. */
const traceOf = (servers: number, skew: number): readonly TraceConnection[] =>
  generateTrace({
    connections: 3000 + 30 * servers,
    clients: 750 + 8 * servers,
    skew,
    rate: 1000,
    duration: servers / 25,
  });

/** What is done to the servers in the middle of the trace, and the least part of all clients that it has to move. */
const changes: Readonly<Record<string, { readonly make: (before: RealServer[]) => RealServer[]; readonly least: (count: number) => number }>> = {
  'nothing changes': { make: (before) => before, least: () => 0 },
  'one leaves': { make: (before) => before.toSpliced(before.length / 2, 1), least: () => 0 },
  'one joins': { make: (before) => [...before, realServer('10.0.1.1:8080')], least: (n) => 1 / (n + 1) },
  "one's weight is doubled": {
    make: (before) => before.with(before.length / 2, realServer(`10.0.0.${before.length / 2 + 1}:8080`, { weight: 2 })),
    least: (n) => 2 / (n + 1) - 1 / n,
  },
}; // prettier-ignore

const percent = (part: number): string => `${(part * 100).toFixed(1)} %`;
const movedOf = ({ disruption: { clients, moved } }: Simulation): number => moved / clients;

function play(column: Column, count: number, skew: number, make?: (before: RealServer[]) => RealServer[]): Promise<Simulation> {
  const servers = serversOf(count);
  const trace = traceOf(count, skew);
  const web = { ...virtualService({ name: 'web', listen: 'tcp://192.0.2.1:80', servers: ['10.0.0.1:8080'], ...columns[column] }), servers };
  const change = make && { at: (trace.at(-1)?.at ?? 0) / 2, servers: make(servers) };
  return simulate(web, trace, { settings: { flows: { capacity: 65_536 } }, ...(change && { change }) });
} // prettier-ignore

const document = readFileSync(path.join(projectRoot, 'docs/schedulers.md'), 'utf8');
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
/** The row of the documentation with this first cell. */
const documented = (first = ''): string =>
  document.split('\n').find((line) => line.startsWith(`| ${first} |`)) ?? `no row "${first}"`;

describe.each([10, 100])('consistent hashing over %i servers', { timeout: 300_000 }, (count) => {
  it.each(Object.entries(changes))('moves as many clients as the documentation says when %s', async (what, { make, least }) => {
    const moved: Record<string, number> = {};
    for (const column of names) moved[column] = movedOf(await play(column, count, 0, make));
    const cells = [`${count} servers, ${what}`, percent(least(count)), ...names.map((column) => percent(moved[column] ?? NaN))];
    expect(documented(cells[0])).toBe(row(cells));
    expect(moved.mh).toBeLessThan(least(count) + 0.04);
    expect(moved['bounded-hash, bound 2']).toBeLessThan(least(count) + 0.04);
  }); // prettier-ignore

  it.each([['as often as each other', 0], ['by Zipf’s law', 1]] as const)('loads the fullest server as the documentation says when clients come %s', async (how, skew) => {
    const worst: Record<string, number> = {};
    for (const column of names) worst[column] = (await play(column, count, skew)).worstLoad ?? NaN;
    const cells = [`${count} servers, clients come ${how}`, ...names.map((column) => percent(worst[column] ?? NaN))];
    expect(documented(cells[0])).toBe(row(cells));
    // The bound, and the one connection that fills a server up: with twenty each, a twentieth.
    expect(worst['bounded-hash, bound 1.25']).toBeLessThan(1.25 + 0.05);
    expect(worst['bounded-hash, bound 2']).toBeLessThan(2 + 0.05);
  }); // prettier-ignore
});
