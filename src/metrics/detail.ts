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

interface Item<Member> {
  readonly service: string;
  readonly server: string;
  readonly kind: string;
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
