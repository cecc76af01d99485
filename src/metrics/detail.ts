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
 *
 * What goes through all servers goes in steps, between which others may have a turn (pace.ts).
 */
import type { ListenSpec } from '../dataplane/dataplane.js';
import type { ServerReport } from '../director/report.js';
import type { HealthFacts } from '../health/state.js';
import { countRows, RowsBy, type By, type Row } from './rows-by.js';
import {
  CheckSum,
  DurationSum,
  ServerSum,
  ServiceSum,
  TimesSum,
  TransitionSum,
  type ServiceFacts,
} from './sums.js';

export const details = ['servers', 'servers-brief', 'services', 'services-brief', 'total'] as const;
export type Detail = (typeof details)[number];

export interface Listener {
  readonly service: ServiceFacts;
  readonly listen: ListenSpec;
}

export interface Backend extends Listener {
  readonly server: ServerReport;
}

export interface View {
  readonly services: readonly Row<ServiceSum>[];
  readonly listeners: readonly Listener[];
  readonly servers: readonly Row<ServerSum>[];
  /** Those whose histograms are told. */
  readonly timed: readonly Row<TimesSum>[];
  readonly checks: readonly Row<CheckSum>[];
  readonly transitions: readonly Row<TransitionSum>[];
  readonly durations: readonly Row<DurationSum>[];
  /** A server as somebody reaches it: node exporter's. */
  readonly backends: readonly Backend[];
}

/** The lengths of the view's parts. */
export type Sizes = Readonly<Record<keyof View, number>>;

const how: Readonly<Record<Detail, { readonly service: By; readonly server: By; readonly timed: By }>> = {
  servers: { service: 'service', server: 'server', timed: 'server' },
  'servers-brief': { service: 'service', server: 'server', timed: 'service' },
  services: { service: 'service', server: 'service', timed: 'service' },
  'services-brief': { service: 'service', server: 'service', timed: 'nothing' },
  total: { service: 'nothing', server: 'nothing', timed: 'nothing' },
};

/** What can be gone through, more than once, and is counted before that. */
export interface Counted<Item> extends Iterable<Item> {
  readonly length: number;
}

export interface CountedService extends ServiceFacts {
  readonly servers: Counted<ServerReport>;
}

export interface Viewed {
  readonly services: Counted<CountedService>;
  readonly health: HealthFacts | null;
  readonly nodeIpvs: boolean;
}

export const emptyView: View = {
  services: [],
  listeners: [],
  servers: [],
  timed: [],
  checks: [],
  transitions: [],
  durations: [],
  backends: [],
};

export function* viewing(
  { services, health, nodeIpvs }: Viewed,
  detail: Detail,
): Generator<void, View, undefined> {
  const by = how[detail];
  const service = new RowsBy(by.service, () => new ServiceSum());
  const servers = new RowsBy(by.server, () => new ServerSum());
  const timed = new RowsBy(by.timed, () => new TimesSum());
  const listeners: Listener[] = [];
  const backends: Backend[] = [];
  for (const one of services) {
    const own = detail === 'total' ? [] : one.listen.map((listen) => ({ service: one, listen }));
    listeners.push(...own);
    service.add({ service: one.service, server: '', kind: '' }, one);
    const reached = nodeIpvs && by.server === 'server' ? own.slice(0, doorsOf(one)) : [];
    for (const listener of reached) for (const server of one.servers) backends.push({ ...listener, server });
    for (const server of one.servers) {
      const name = { service: one.service, server: server.server, kind: '' };
      servers.add(name, server);
      timed.add(name, server);
      yield;
    }
    yield;
  }
  const checks = new RowsBy(by.server, () => new CheckSum());
  const transitions = new RowsBy(by.server, () => new TransitionSum());
  const durations = new RowsBy(by.timed, () => new DurationSum());
  yield* checks.addingAll(health?.totals ?? []);
  yield* transitions.addingAll(health?.transitions ?? []);
  yield* durations.addingAll(health?.durations ?? []);
  return {
    services: service.rows,
    listeners,
    servers: servers.rows,
    timed: timed.rows,
    checks: checks.rows,
    transitions: transitions.rows,
    durations: durations.rows,
    backends,
  };
}

/** A mark's service is one to the kernel, whatever it listens on. */
const doorsOf = ({ mark, listen }: Pick<ServiceFacts, 'mark' | 'listen'>): number =>
  mark === null ? listen.length : Math.min(1, listen.length);

/** How many rows each detail would have; nothing of them is made. */
export function* sizing({
  services,
  health,
  nodeIpvs,
}: Viewed): Generator<void, (detail: Detail) => Sizes, undefined> {
  let [servers, serving, listeners, reached] = [0, 0, 0, 0];
  for (const one of services) {
    const { length } = one.servers;
    servers += length;
    if (length > 0) serving += 1;
    listeners += one.listen.length;
    reached += length * doorsOf(one);
    yield;
  }
  // A service's servers have different names, and servers no kinds.
  const served: Readonly<Record<By, number>> = { server: servers, service: serving, nothing: serving && 1 };
  const checks = yield* countRows(health?.totals ?? []);
  const transitions = yield* countRows(health?.transitions ?? []);
  const durations = yield* countRows(health?.durations ?? []);
  return (detail) => {
    const by = how[detail];
    return {
      services: by.service === 'nothing' ? Math.min(1, services.length) : services.length,
      listeners: detail === 'total' ? 0 : listeners,
      servers: served[by.server],
      timed: served[by.timed],
      checks: checks[by.server],
      transitions: transitions[by.server],
      durations: durations[by.timed],
      backends: nodeIpvs && by.server === 'server' ? reached : 0,
    };
  };
}
