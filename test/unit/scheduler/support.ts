// SPDX-License-Identifier: Apache-2.0
/** Servers by letter, as in the fixtures: A, B, C stand in the order of the configuration. */
import { readFileSync } from 'node:fs';
import { parseAddress, type IpAddress } from '../../../src/model/address.js';
import type { Plan } from '../../../src/model/plan.js';
import type { SchedulerServer } from '../../../src/scheduler/index.js';
import { pick, type LiveServer, type Memory } from '../../../src/scheduler/simulate.js';

export interface NamedServer extends SchedulerServer {
  readonly name: string;
}

export function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(`not an address: ${text}`);
  return parsed.value;
}

/** { A: 4, B: 3 } as servers 10.0.0.1:8080 (A), 10.0.0.2:8080 (B). */
export function letters(weights: Readonly<Record<string, number>>): NamedServer[] {
  return Object.entries(weights).map(([name, weight]) => ({
    name,
    address: address(`10.0.0.${name.charCodeAt(0) - 64}`),
    port: 8080,
    weight,
  }));
}

export const idle = ({ weight }: SchedulerServer): LiveServer => ({
  weight,
  active: 0,
  inactive: 0,
  overloaded: false,
});

export const anyClient = { address: address('198.51.100.1'), port: 1024 };

/** The names of the next picks of a cycle, "-" for none; also where it stopped. */
export function walk(
  plan: Plan,
  servers: readonly NamedServer[],
  count: number,
  options: { readonly cursor?: number; readonly overloaded?: string } = {},
): { readonly names: string; readonly cursor: number } {
  const live = servers.map((server) => ({
    ...idle(server),
    overloaded: options.overloaded?.includes(server.name) ?? false,
  }));
  let cursor = options.cursor ?? 0;
  let names = '';
  for (let step = 0; step < count; step += 1) {
    const picked = pick(plan, live, anyClient, cursor);
    names += picked.server === null ? '-' : (servers[picked.server]?.name ?? '?');
    cursor = picked.cursor;
  }
  return { names, cursor };
}

/** The names of `count` picks, each of which becomes a connection that stays; "-" for none. */
export function fill(
  plan: Plan,
  servers: readonly NamedServer[],
  count: number,
  { inactive = false }: { readonly inactive?: boolean } = {},
): string {
  const live = servers.map(idle);
  const destination = address('192.0.2.10');
  let memory: Memory = new Map();
  let names = '';
  for (let step = 0; step < count; step += 1) {
    const picked = pick(plan, live, anyClient, 0, { destination, memory });
    memory = picked.memory;
    const server = picked.server === null ? undefined : live[picked.server];
    if (picked.server !== null && server !== undefined) {
      live[picked.server] = inactive
        ? { ...server, inactive: server.inactive + 1 }
        : { ...server, active: server.active + 1 };
    }
    names += picked.server === null ? '-' : (servers[picked.server]?.name ?? '?');
  }
  return names;
}

/** Name, address, port, weight, last weight. */
export type HashVectorServer = readonly [string, string, number, number, number];

interface Vectors {
  readonly sched: readonly {
    readonly scheduler: string;
    readonly weights: Readonly<Record<string, number>>;
    readonly picks: readonly (string | null)[];
    readonly load: string;
    readonly bound?: string;
  }[];
  readonly hash: readonly {
    readonly kind: string;
    readonly flags: readonly string[];
    readonly servers: readonly HashVectorServer[];
    readonly lookups_addr_port_bucket_pick: readonly (readonly [string, number, number, string | null])[];
  }[];
  readonly mh_tables: readonly {
    readonly weights_ABC: readonly [number, number, number];
    readonly tab_index: 8 | 12 | 17;
    readonly size: number;
    readonly setup_list_order: readonly {
      readonly server: string;
      readonly offset: number;
      readonly skip: number;
      readonly turns: number;
    }[];
    readonly slots: Readonly<Record<string, number>>;
    readonly first32: string;
    readonly crc32_of_all_slot_letters: string;
  }[];
}

export const vectorsText = readFileSync(new URL('../../fixtures/ipvs/vectors.json', import.meta.url), 'utf8');
export const vectors = JSON.parse(vectorsText) as Vectors;
