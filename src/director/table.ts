// SPDX-License-Identifier: Apache-2.0
/** The services as ipvsadm sees them: a virtual server table, put together service by service and server by server. */
import {
  flagNumber,
  netmaskOf,
  wholeClient,
  type ServiceKey,
  type Table,
  type TableServer,
  type TableService,
} from '../ipvsadm/index.js';
import {
  schedulerNameOf,
  serverId,
  serviceFamily,
  type Model,
  type RealServer,
  type VirtualService,
} from '../model/index.js';
import type { Ledger } from './ledger.js';
import type { Listing } from './listing.js';
import type { ServerReport, ServiceListing } from './report.js';

export interface TableServiceListing extends Omit<TableService, 'servers'> {
  readonly servers: Iterable<TableServer>;
}

/** Services one by one, and servers one by one. */
export interface TableListing extends Omit<Table, 'services'> {
  readonly services: Iterable<TableServiceListing>;
}

/** Everything at once. */
export const wholeTable = ({ services, ...rest }: TableListing): Table => ({
  ...rest,
  services: [...services].map((service) => ({ ...service, servers: [...service.servers] })),
});

/** `listing` has the connections of each server, `ledger` what it has counted. */
export function* tableServices(
  { services }: Model,
  listing: Listing<ServiceListing>,
  ledger: Ledger,
): Generator<TableServiceListing, void, undefined> {
  const places = new Map(services.map((_, index) => [listing.nameAt(index), index]));
  for (const service of services) {
    const place = places.get(service.name);
    const reports = place === undefined ? undefined : listing.at(place).servers;
    for (const key of keysOf(service)) yield tableService(service, key, reports, ledger);
  }
}

/** The addresses of a mark are not services of their own. */
const keysOf = (service: VirtualService): readonly ServiceKey[] =>
  service.mark === null ? service.listen : [{ mark: service.mark, family: serviceFamily(service) }];

/** IP_VS_SCHEDNAME_MAXLEN without its end: what ipvsadm could show or say. */
const longestSchedulerName = 15;

function tableService(
  service: VirtualService,
  key: ServiceKey,
  reports: Listing<ServerReport> | undefined,
  ledger: Ledger,
): TableServiceListing {
  const { persistence } = service;
  return {
    key,
    scheduler: schedulerNameOf(service).slice(0, longestSchedulerName),
    flags: service.flags.map(flagNumber).sort(),
    persistence: persistence?.timeoutSeconds ?? null,
    netmask: persistence === null ? wholeClient(key) : netmaskOf(key, persistence),
    engine: persistence?.engine ?? null,
    onePacket: service.onePacket,
    ...ledger.ofService(service.name),
    servers: tableServers(service, reports, ledger),
  };
}

/** Newest first, as the kernel keeps them. */
function* tableServers(
  { name, servers }: VirtualService,
  reports: Listing<ServerReport> | undefined,
  ledger: Ledger,
): Generator<TableServer, void, undefined> {
  const places = new Map(Array.from({ length: reports?.length ?? 0 }, (_, at) => [reports?.nameAt(at), at]));
  for (const server of servers.toReversed()) {
    const place = places.get(serverId(server));
    const report = place === undefined ? undefined : reports?.at(place);
    yield tableServer(server, report, ledger.ofServer(name, serverId(server)));
  }
}

function tableServer(
  { address, port, weight, upperThreshold, lowerThreshold }: RealServer,
  report: ServerReport | undefined,
  numbers: ReturnType<Ledger['ofServer']>,
): TableServer {
  const { active = 0, inactive = 0, persistent = 0 }: Partial<ServerReport> = report ?? {};
  const settings = { address, port, weight, upperThreshold, lowerThreshold };
  return { ...settings, active, inactive, persistent, ...numbers };
}
