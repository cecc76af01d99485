// SPDX-License-Identifier: Apache-2.0
/**
 * Which questions a configuration asks of whom. Services that ask the same question of the same server, the same way and
 * at the same times, share one probe: `key` is what makes two of them the same. Pure.
 */
import {
  familyOf,
  serverId,
  targetPort,
  type HealthCheck,
  type IpAddress,
  type RealServer,
  type VirtualService,
} from '../model/index.js';

export interface WantedProbe {
  readonly key: string;
  readonly check: HealthCheck;
  readonly address: IpAddress;
  readonly port: number;
  /** Of the first service that asks; the only one where the question tells services apart. */
  readonly service: string;
  readonly server: string;
}

export interface WantedServer {
  readonly service: string;
  readonly server: string;
  readonly probes: readonly WantedProbe[];
}

/** What checks are known by, worked out once for each. */
export type CheckKeys = Map<HealthCheck, string>;

export function wantedServers(service: VirtualService, keys: CheckKeys): WantedServer[] {
  if (service.health.length === 0) return [];
  return service.servers
    .filter((server) => server.checked)
    .map((server) => ({
      service: service.name,
      server: serverId(server),
      probes: service.health.map((check) => wantedProbe(service, server, check, keys)),
    }));
}

/** Whether two states of a service surely want the same, seen at a glance; where that says no, look closer. */
export const wantsTheSame = (a: VirtualService, b: VirtualService): boolean =>
  a === b ||
  (a.health === b.health &&
    a.listen === b.listen &&
    a.mark === b.mark &&
    a.persistence === b.persistence &&
    a.servers.length === b.servers.length &&
    a.servers.every((server, index) => isAskedAlike(server, b.servers[index])));

const isAskedAlike = (a: RealServer, b: RealServer | undefined): boolean =>
  a === b || (a.address === b?.address && a.port === b.port && a.checked === b.checked);

function wantedProbe(
  service: VirtualService,
  server: RealServer,
  check: HealthCheck,
  keys: CheckKeys,
): WantedProbe {
  let key = keys.get(check);
  if (key === undefined) {
    key = JSON.stringify(check, bytesAsText);
    keys.set(check, key);
  }
  const port = check.question.kind === 'icmp' ? 0 : (check.port ?? portOf(service, server));
  const id = serverId(server);
  const own = tellsServicesApart(check) ? ` ${JSON.stringify(service.name)} ${id}` : '';
  return {
    key: `${server.address} ${port} ${key}${own}`,
    check,
    address: server.address,
    port,
    service: service.name,
    server: id,
  };
}

/** A server without a port of its own is asked where the service's first address would send a client. */
function portOf(service: VirtualService, server: RealServer): number {
  const [listen] = service.listen;
  return listen === undefined ? server.port : targetPort(service, listen, server);
}

/** A program and a module are told the service; the way through the VIP is a way through one service. */
const tellsServicesApart = ({ question, through }: HealthCheck): boolean =>
  question.kind === 'exec' || question.kind === 'module' || through === 'vip';

const bytesAsText = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;

/** A check's source is of one family; servers of the other are asked from wherever the kernel likes. */
export const sourceFor = ({ check, address }: WantedProbe): IpAddress | null =>
  check.source !== null && familyOf(check.source) === familyOf(address) ? check.source : null;
