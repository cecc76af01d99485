// SPDX-License-Identifier: Apache-2.0
/**
 * What would become of a packet, and why: which service, which real server, by which rule, and what would be counted.
 * Pure: the running snapshot and numbers of one moment in, an explanation out. No cursor moves and no connection begins.
 * The picks are those of scheduler/simulate.ts, the reference the dataplane is tested against.
 */
import type { FlowRow, ListenSpec, ServerSpec, ServiceSpec } from '../dataplane/dataplane.js';
import { addressBytes, formatAddress, formatEndpoint, type IpAddress, type Listen } from '../model/index.js';
import { isRepliedTo, isVip, nobodys, replied, unforwardable } from './explain-others.js';
import { explainPick, type Loads } from './explain-pick.js';

/** The first packet of a connection: for TCP a SYN. */
export interface Tuple {
  readonly protocol: ListenSpec['protocol'];
  readonly client: { readonly address: IpAddress; readonly port: number };
  readonly to: { readonly address: IpAddress; readonly port: number };
}

export interface ExplainedService {
  readonly name: string;
  readonly scheduler: string;
  readonly spec: ServiceSpec;
}

/** All that a pick may look at. */
export interface Situation {
  readonly services: readonly ExplainedService[];
  readonly loads: Loads;
  /** Steps taken of a cycle, by service slot. */
  readonly cursor: (serviceSlot: number) => number;
  /** Rows of the connection table that `isAbout` says yes to. */
  readonly rows: readonly FlowRow[];
  readonly removedServer: 'silent' | 'reset';
  readonly expireQuiescentTemplate: boolean;
}

/** What would become of a packet, and why. */
export interface Explanation {
  /** "tcp 10.1.0.2:40000 -> 10.9.0.1:80" */
  readonly packet: string;
  readonly verdict: 'forwarded' | 'passed' | 'dropped';
  /** Of a drop: the label of vsnat_packets_dropped_total. */
  readonly reason: string | null;
  readonly service: string | null;
  /** Whose the server is: a connection that is there, one that it replies in, a remembered client, or the scheduler. */
  readonly basis: 'connection' | 'reply' | 'persistence' | 'scheduler' | null;
  readonly server: string | null;
  /** false: dice decide, or what only the dataplane remembers. */
  readonly certain: boolean;
  /** Why, in sentences, in the order of the decisions. */
  readonly steps: readonly string[];
  /** Series that would go up by one packet. */
  readonly counts: readonly string[];
}

/** Which rows of the connection table matter to the tuple. */
export function isAbout(
  { protocol, client, to }: Tuple,
  services: readonly ExplainedService[],
): (row: FlowRow) => boolean {
  const spec = serviceOf({ protocol, client, to }, services)?.spec;
  const network = spec === undefined ? null : networkOf(spec, client.address);
  return (row) =>
    (row.protocol === protocol &&
      row.clientPort === client.port &&
      row.clientAddress === client.address &&
      row.virtualPort === to.port &&
      row.virtualAddress === to.address) ||
    isRepliedTo({ protocol, client, to }, row) ||
    (row.clientPort === 0 && row.serviceSlot === spec?.slot && row.clientAddress === network);
}

export function explain(tuple: Tuple, situation: Situation): Explanation {
  const { protocol, client, to } = tuple;
  const packet = `${protocol} ${formatEndpoint(client)} -> ${formatEndpoint(to)}`;
  const ends = (end: Partial<Explanation>): Explanation => ({
    packet,
    verdict: 'dropped',
    reason: null,
    service: null,
    basis: null,
    server: null,
    certain: true,
    steps: [],
    counts:
      end.reason === undefined || end.reason === null
        ? []
        : [`vsnat_packets_dropped_total{reason="${end.reason}"}`],
    ...end,
  });
  const refused = unforwardable(tuple, ends);
  if (refused !== undefined) return refused;
  if (isVip(client.address, situation.services))
    return ends({
      reason: 'vip_loop',
      steps: [
        `its source ${client.address} is a VIP: so a reply looks when it has left the director, where nothing like it comes in`,
      ],
    });
  const service = serviceOf(tuple, situation.services);
  const reply = situation.rows.find((row) => isRepliedTo(tuple, row));
  if (reply !== undefined && !isVip(to.address, situation.services)) return replied(reply, situation, ends);
  const flow = situation.rows.find(({ clientPort }) => clientPort === client.port && client.port !== 0);
  if (flow !== undefined && !isClosed(flow)) return existing(flow, situation, ends);
  if (service === undefined) return nobodys(tuple, situation.services, ends);
  const steps = [
    `service ${service.name} listens on ${formatListen(service.spec, tuple)}`,
    flow === undefined
      ? 'no connection of this client port is known: it begins one'
      : `its connection is closed (${flow.state}): a SYN begins another in its place (conn_reuse_mode)`,
  ];
  const remembered = persistent(service, situation);
  if (remembered !== null) {
    steps.push(remembered.says);
    if (remembered.server !== null)
      return forwarded(ends, service, remembered.server, {
        basis: 'persistence',
        certain: true,
        steps,
        begins: true,
      });
  }
  const pick = explainPick(service, tuple, situation);
  steps.push(...pick.steps);
  if (pick.server === null) {
    steps.push('the client gets ICMP port unreachable');
    return ends({
      reason: 'no_server',
      service: service.name,
      steps,
      counts: [
        'vsnat_packets_dropped_total{reason="no_server"}',
        `vsnat_service_schedule_failures_total{service="${service.name}"}`,
      ],
    });
  }
  if (pick.server.address === client.address) {
    steps.push(
      `${nameOf(pick.server)} is the client itself: another usable server is taken, in the order of the configuration`,
    );
    const other = service.spec.servers.find(
      (one) => one.address !== client.address && one.weight > 0 && !situation.loads(one.slot).overloaded,
    );
    if (other === undefined) return ends({ reason: 'land', service: service.name, steps });
    return forwarded(ends, service, other, {
      basis: 'scheduler',
      certain: pick.certain,
      steps,
      begins: true,
    });
  }
  return forwarded(ends, service, pick.server, {
    basis: 'scheduler',
    certain: pick.certain,
    steps,
    begins: true,
  });
}

export type Ends = (end: Partial<Explanation>) => Explanation;

interface Because {
  readonly basis: NonNullable<Explanation['basis']>;
  readonly certain: boolean;
  readonly steps: readonly string[];
  /** It is a new connection, and counted as one. */
  readonly begins: boolean;
}

function forwarded(
  ends: Ends,
  { name }: ExplainedService,
  server: ServerSpec,
  { begins, ...because }: Because,
): Explanation {
  const id = nameOf(server);
  return ends({
    verdict: 'forwarded',
    service: name,
    server: id,
    ...because,
    counts: [
      ...(begins
        ? [
            `vsnat_service_connections_total{service="${name}"}`,
            `vsnat_server_connections_total{service="${name}",server="${id}"}`,
          ]
        : []),
      `vsnat_server_packets_total{service="${name}",server="${id}",direction="in"}`,
      'vsnat_queue_forwarded_total',
    ],
  });
}

function existing(flow: FlowRow, situation: Situation, ends: Ends): Explanation {
  const service = situation.services.find(({ spec }) => spec.slot === flow.serviceSlot);
  const server = service?.spec.servers.find(({ slot }) => slot === flow.serverSlot);
  const id = formatEndpoint({ address: flow.realAddress as IpAddress, port: flow.realPort });
  const steps = [
    `a connection is known: ${flow.state}, with server ${id}, forgotten in ${flow.expiresInSeconds} s unless packets come`,
  ];
  if (service === undefined)
    return ends({
      verdict: 'forwarded',
      basis: 'connection',
      server: id,
      steps: [...steps, 'its service has left the configuration; the connection lives on'],
      counts: ['vsnat_queue_forwarded_total'],
    });
  if (server !== undefined)
    return forwarded(ends, service, server, { basis: 'connection', certain: true, steps, begins: false });
  const why =
    situation.removedServer === 'silent'
      ? 'its server has left the configuration: dropped in silence (removed_servers: silent)'
      : 'its server has left the configuration: the client gets a RST (removed_servers: reset)';
  return ends({
    reason: 'server_gone',
    service: service.name,
    server: id,
    basis: 'connection',
    steps: [...steps, why],
  });
}

function persistent(
  { spec }: ExplainedService,
  { rows, expireQuiescentTemplate }: Situation,
): { readonly server: ServerSpec | null; readonly says: string } | null {
  if (spec.persistence === undefined) return null;
  const template = rows.find((row) => row.clientPort === 0 && row.serviceSlot === spec.slot);
  if (template === undefined)
    return {
      server: null,
      says: `the service is persistent, and no server is remembered for this client: what is picked now is, for ${spec.persistence.timeoutSeconds} s`,
    };
  const server = spec.servers.find(({ slot }) => slot === template.serverSlot);
  const who = `the service is persistent, and client network ${template.clientAddress} belongs to server`;
  if (server === undefined)
    return {
      server: null,
      says: `${who} ${template.realAddress}, which has left the configuration: another is picked`,
    };
  if (server.weight === 0 && expireQuiescentTemplate)
    return {
      server: null,
      says: `${who} ${nameOf(server)}, which is drained (expire_quiescent_template): another is picked`,
    };
  return { server, says: `${who} ${nameOf(server)}, for ${template.expiresInSeconds} s more` };
}

/** The listener of exactly this port, else that of every port. */
export function serviceOf(
  { protocol, to }: Tuple,
  services: readonly ExplainedService[],
): ExplainedService | undefined {
  const at = (port: number): ExplainedService | undefined =>
    services.find(({ spec }) =>
      spec.listen.some((one) => one.protocol === protocol && one.address === to.address && one.port === port),
    );
  return at(to.port) ?? at(0);
}

/** The client's network as a template names it. */
function networkOf({ persistence }: ServiceSpec, address: IpAddress): string | null {
  if (persistence === undefined) return null;
  const bytes = addressBytes(address);
  const mask = persistence.mask === undefined ? null : addressBytes(persistence.mask as IpAddress);
  const bits = (index: number): number => {
    if (mask !== null) return mask[index] ?? 0;
    return (0xff << (8 - Math.min(Math.max(persistence.prefixLength - 8 * index, 0), 8))) & 0xff;
  };
  return formatAddress(bytes.map((byte, index) => byte & bits(index)));
}

/** As flow::is_closed: what a SYN may begin anew in the place of. */
const isClosed = ({ state }: FlowRow): boolean => ['TIME_WAIT', 'CLOSE', 'CLOSED'].includes(state);

export const nameOf = ({ address, port }: ServerSpec): string =>
  formatEndpoint({ address: address as IpAddress, port });

const formatListen = ({ listen, mark }: ServiceSpec, { protocol, to }: Tuple): string => {
  const place = listen.find((one) => one.protocol === protocol && one.address === to.address) as
    Listen | undefined;
  const port = place?.port === 0 ? 'every port' : `port ${to.port}`;
  return `${protocol} ${to.address}, ${port}${mark === undefined ? '' : ` (mark ${mark})`}`;
};
