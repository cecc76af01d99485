// SPDX-License-Identifier: Apache-2.0
/**
 * How much is told of services and servers, so that a scrape has at most `metrics.max_series` series. Detail goes in a
 * fixed order, and depends on the configuration alone:
 *
 *   servers          everything of every server
 *   servers-brief    histograms by service
 *   services         servers added up by service; histograms by service
 *   services-brief   servers added up by service; histograms of all services together
 *   total            all services added up
 *
 * What is added up keeps its metric's name, with an empty label where the name of a server or service was: an empty
 * label is no label to Prometheus, and `sum by (service)` gives the same at every detail that knows services. Series that
 * are of neither services nor servers are told in any case.
 */
import type { ListenSpec } from '../dataplane/dataplane.js';
import type { ServerReport, ServiceReport } from '../director/report.js';
import type { CheckDurations, CheckTotals, HealthFacts, Transitions } from '../health/state.js';

export const details = ['servers', 'servers-brief', 'services', 'services-brief', 'total'] as const;
export type Detail = (typeof details)[number];

/** What has one series of a metric: one of something, or several added up. */
export interface Row<Member> {
  readonly service: string;
  readonly server: string;
  /** Of health checks; '' elsewhere. */
  readonly kind: string;
  readonly members: readonly Member[];
}

export interface Listener {
  readonly service: ServiceReport;
  readonly listen: ListenSpec;
}

export interface Backend extends Listener {
  readonly server: ServerReport;
}

export interface View {
  readonly services: readonly Row<ServiceReport>[];
  readonly listeners: readonly Listener[];
  readonly servers: readonly Row<ServerReport>[];
  /** Those whose histograms are told. */
  readonly timed: readonly Row<ServerReport>[];
  readonly checks: readonly Row<CheckTotals>[];
  readonly transitions: readonly Row<Transitions>[];
  readonly durations: readonly Row<CheckDurations>[];
  /** A server as somebody reaches it: node exporter's. */
  readonly backends: readonly Backend[];
}

interface Named {
  readonly service: string;
  readonly server: string;
  readonly kind: string;
}

interface Item<Member> extends Named {
  readonly member: Member;
}

type By = 'server' | 'service' | 'nothing';

interface OpenRow<Member> extends Row<Member> {
  readonly members: Member[];
}

/** What there is of one server comes in a row: several checks of one kind, as a rule none. */
function rowsByServer<Member>(items: readonly Item<Member>[]): readonly Row<Member>[] {
  const rows: OpenRow<Member>[] = [];
  let mine: OpenRow<Member>[] = [];
  for (const { service, server, kind, member } of items) {
    const last = mine[0];
    if (last?.service !== service || last.server !== server) mine = [];
    const known = mine.find((row) => row.kind === kind);
    if (known !== undefined) {
      known.members.push(member);
      continue;
    }
    const row = { service, server, kind, members: [member] };
    mine.push(row);
    rows.push(row);
  }
  return rows;
}

/** Rows in the order in which their first members come. */
function rowsOf<Member>(items: readonly Item<Member>[], by: By): readonly Row<Member>[] {
  if (by === 'server') return rowsByServer(items);
  const rows: OpenRow<Member>[] = [];
  const byKind = new Map<string, Map<string, Member[]>>();
  for (const { service, kind, member } of items) {
    const name = by === 'service' ? service : '';
    const byName = byKind.get(kind) ?? new Map<string, Member[]>();
    byKind.set(kind, byName);
    const known = byName.get(name);
    if (known !== undefined) {
      known.push(member);
      continue;
    }
    const members = [member];
    byName.set(name, members);
    rows.push({ service: name, server: '', kind, members });
  }
  return rows;
}

/** How many rows rowsOf() would make. */
function countRows(items: Iterable<Named>, by: By): number {
  let count = 0;
  let last: Named | undefined;
  const kinds = new Set<string>();
  const names = new Map<string, Set<string>>();
  for (const item of items) {
    if (by === 'server') {
      if (last?.service !== item.service || last.server !== item.server) kinds.clear();
      last = item;
      if (kinds.has(item.kind)) continue;
      kinds.add(item.kind);
      count += 1;
      continue;
    }
    const known = names.get(item.kind) ?? new Set<string>();
    names.set(item.kind, known.add(by === 'service' ? item.service : ''));
  }
  if (by === 'server') return count;
  return [...names.values()].reduce((sum, { size }) => sum + size, 0);
}

const how: Readonly<Record<Detail, { readonly service: By; readonly server: By; readonly timed: By }>> = {
  servers: { service: 'service', server: 'server', timed: 'server' },
  'servers-brief': { service: 'service', server: 'server', timed: 'service' },
  services: { service: 'service', server: 'service', timed: 'service' },
  'services-brief': { service: 'service', server: 'service', timed: 'nothing' },
  total: { service: 'nothing', server: 'nothing', timed: 'nothing' },
};

export interface Viewed {
  readonly services: readonly ServiceReport[];
  readonly health: HealthFacts | null;
  readonly nodeIpvs: boolean;
}

export function viewOf({ services, health, nodeIpvs }: Viewed, detail: Detail): View {
  const by = how[detail];
  const service = services.map((member) => ({ service: member.service, server: '', kind: '', member }));
  const server = services.flatMap((of) =>
    of.servers.map((member) => ({ service: of.service, server: member.server, kind: '', member })),
  );
  const listeners = services.flatMap((of) => of.listen.map((listen) => ({ service: of, listen })));
  return {
    services: rowsOf(service, by.service),
    listeners: detail === 'total' ? [] : listeners,
    servers: rowsOf(server, by.server),
    timed: rowsOf(server, by.timed),
    checks: rowsOf((health?.totals ?? []).map(itemOf), by.server),
    transitions: rowsOf((health?.transitions ?? []).map(itemOf), by.server),
    durations: rowsOf((health?.durations ?? []).map(itemOf), by.timed),
    backends: nodeIpvs && by.server === 'server' ? backendsOf(listeners) : [],
  };
}

/** The lengths of the view's parts, which tell how many series it has; nothing of it is made. */
export function sizesOf({ services, health, nodeIpvs }: Viewed, detail: Detail): Record<keyof View, number> {
  const by = how[detail];
  const servers = services.reduce((sum, of) => sum + of.servers.length, 0);
  // A service's servers have different names, and servers no kinds.
  const serving = services.filter((of) => of.servers.length > 0).length;
  const served: Readonly<Record<By, number>> = { server: servers, service: serving, nothing: serving && 1 };
  const listeners = services.reduce((sum, of) => sum + of.listen.length, 0);
  const reached = services.reduce(
    (sum, of) =>
      sum + of.servers.length * (of.mark === null ? of.listen.length : Math.min(1, of.listen.length)),
    0,
  );
  return {
    services: by.service === 'nothing' ? Math.min(1, services.length) : services.length,
    listeners: detail === 'total' ? 0 : listeners,
    servers: served[by.server],
    timed: served[by.timed],
    checks: countRows(namesOf(health?.totals ?? []), by.server),
    transitions: countRows(namesOf(health?.transitions ?? []), by.server),
    durations: countRows(namesOf(health?.durations ?? []), by.timed),
    backends: nodeIpvs && by.server === 'server' ? reached : 0,
  };
}

function* namesOf(members: Iterable<{ service: string; server?: string; kind?: string }>): Generator<Named> {
  for (const { service, server = '', kind = '' } of members) yield { service, server, kind };
}

function itemOf<Member extends { service: string; server?: string; kind?: string }>(
  member: Member,
): Item<Member> {
  return { service: member.service, server: member.server ?? '', kind: member.kind ?? '', member };
}

/** A mark's service is one to the kernel, whatever it listens on. */
function backendsOf(listeners: readonly Listener[]): readonly Backend[] {
  const own = listeners.filter(
    ({ service, listen }) => service.mark === null || listen === service.listen[0],
  );
  return own.flatMap((listener) => listener.service.servers.map((server) => ({ ...listener, server })));
}
