// SPDX-License-Identifier: Apache-2.0
/**
 * Virtual services and their real servers, complete and valid: every default is filled in, every number is in range.
 * `virtualService` and `realServer` make them from text for code; configuration files go through config/, which
 * knows the place of every mistake.
 */
import { schedulerProgram, type CustomScheduler, type SchedulerProgram } from './custom-scheduler.js';
import { familyOf, type Family } from './address.js';
import { formatEndpoint, parseListen, parseServer, type Endpoint, type Listen } from './endpoint.js';
import type { DrainPolicy, HealthCheck, Quorum, SlowStart } from './health.js';
import { required } from './parsed.js';
import { persistenceOf, type Persistence } from './persistence.js';
import { kernelTimeouts, type Timeouts } from './timeouts.js';
import { parseWeight, type Weight } from './weight.js';

/** The kernel's schedulers, by the kernel's names. */
export type SchedulerName =
  'rr' | 'wrr' | 'lc' | 'wlc' | 'fo' | 'ovf' | 'lblc' | 'lblcr' | 'dh' | 'sh' | 'mh' | 'sed' | 'nq' | 'twos';

/** -port: hash the client's port as well as its address. -fallback: another server when the hashed one is unusable. */
export type SchedulerFlag = 'sh-port' | 'sh-fallback' | 'mh-port' | 'mh-fallback';

/** Who reads the service's control connections to find the data connections they announce; docs/ftp.md. */
export type HelperName = 'none' | 'ftp';

export const helperNames = ['none', 'ftp'] as const satisfies readonly HelperName[];

/** A real server as it is configured. */
export interface RealServer extends Endpoint {
  readonly weight: Weight;
  /** No new connections while active + inactive ones reach this; 0 means no limit. */
  readonly upperThreshold: number;
  /** New connections again once they fall below this; 0 means three quarters of the upper one. */
  readonly lowerThreshold: number;
  /** The server is not on a subnet of this host; the user vouches that its replies come back through the director. */
  readonly routed: boolean;
  /** Gets new connections only while no server that is not a backup can. */
  readonly backup: boolean;
  /** As configured: no new connections, whatever its weight and health. */
  readonly disabled: boolean;
  /** false: the service's checks leave it alone, it counts as up. */
  readonly checked: boolean;
  /** Of a disabled server, instead of the service's: what `vsnat drain` said. */
  readonly drain?: DrainPolicy;
}

/** A virtual service as it is configured. */
export interface VirtualService {
  /** Identity of the service across reloads, and its label in metrics. */
  readonly name: string;
  /** At least one; all of one family, the same as the servers'. */
  readonly listen: readonly Listen[];
  /** One of the kernel's, or a custom one with its options. */
  readonly scheduler: SchedulerName | SchedulerProgram;
  readonly flags: readonly SchedulerFlag[];
  /** In the order of the configuration. The kernel's list, newest first, is this order reversed. */
  readonly servers: readonly RealServer[];
  readonly timeouts: Timeouts;
  /** null: every connection is scheduled on its own. */
  readonly persistence: Persistence | null;
  /** Not null: all of `listen` is one service, as if a firewall gave these packets this mark. */
  readonly mark: number | null;
  /** Every datagram is scheduled on its own, and none is remembered. UDP only. */
  readonly onePacket: boolean;
  readonly helper: HelperName;
  /** All of them must be good. Empty: every server counts as up. */
  readonly health: readonly HealthCheck[];
  /** null: a server that comes up has its whole weight at once. */
  readonly slowStart: SlowStart | null;
  readonly drain: DrainPolicy;
  /** null: the sorry servers serve only when no other server can. */
  readonly quorum: Quorum | null;
  /** They serve while the quorum is lost, and are not checked. */
  readonly sorryServers: readonly RealServer[];
}

/** Live connections of a drained server go on until they end by themselves. */
export const patientDrain: DrainPolicy = { deadlineSeconds: null, then: 'reset' };

/** Identity of a real server within its service, and its label in metrics: "10.2.1.2:8080". */
export const serverId = (server: Endpoint): string => formatEndpoint(server);

/** The one address family of a service. */
export function serviceFamily(service: Pick<VirtualService, 'listen'>): Family {
  const [first] = service.listen;
  return first === undefined ? 'ipv4' : familyOf(first.address);
}

/**
 * The port of `server` for connections that come in at `listen`; 0 is the port the client asked for. A persistent
 * service on every port, or of a mark, leaves all ports as they are.
 */
export function targetPort(
  { persistence = null, mark = null }: Partial<Pick<VirtualService, 'persistence' | 'mark'>>,
  listen: Endpoint,
  server: Endpoint,
): number {
  const isLeft = persistence !== null && (mark !== null || listen.port === 0);
  return isLeft || server.port === 0 ? listen.port : server.port;
}

/** Of realServer(); what is left out has the default in parentheses. */
export interface RealServerOptions {
  readonly weight?: number;
  readonly upperThreshold?: number;
  readonly lowerThreshold?: number;
  readonly routed?: boolean;
  readonly backup?: boolean;
  readonly disabled?: boolean;
  readonly checked?: boolean;
}

/** A real server from `address:port`. Throws VSNAT_CONFIG_INVALID. */
export function realServer(address: string, options: RealServerOptions = {}): RealServer {
  return {
    ...required(`server ${JSON.stringify(address)}`, parseServer(address)),
    weight: required(`weight of server ${address}`, parseWeight(options.weight ?? 1)),
    upperThreshold: options.upperThreshold ?? 0,
    lowerThreshold: options.lowerThreshold ?? 0,
    routed: options.routed ?? false,
    backup: options.backup ?? false,
    disabled: options.disabled ?? false,
    checked: options.checked ?? true,
  };
}

/** Of virtualService(). Only name, listen and servers are needed. */
export interface VirtualServiceOptions {
  readonly name: string;
  readonly listen: string | readonly string[];
  readonly servers: readonly (string | RealServer)[];
  readonly scheduler?: SchedulerName | CustomScheduler | SchedulerProgram;
  /** Of a CustomScheduler. */
  readonly schedulerOptions?: SchedulerProgram['options'];
  readonly flags?: readonly SchedulerFlag[];
  readonly timeouts?: Partial<Timeouts>;
  /** `{}` has the kernel's defaults. */
  readonly persistence?: Partial<Persistence>;
  readonly mark?: number;
  readonly onePacket?: boolean;
  readonly helper?: HelperName;
  readonly health?: readonly HealthCheck[];
  readonly slowStart?: SlowStart;
  readonly drain?: DrainPolicy;
  readonly quorum?: Quorum;
  readonly sorryServers?: readonly (string | RealServer)[];
}

/** A virtual service from text, with the kernel's defaults for what is left out. Throws VSNAT_CONFIG_INVALID. */
export function virtualService(options: VirtualServiceOptions): VirtualService {
  const listen = typeof options.listen === 'string' ? [options.listen] : options.listen;
  const places = listen.map((text) => required(`listen ${JSON.stringify(text)}`, parseListen(text)));
  const [first] = places;
  return {
    name: options.name,
    listen: places,
    scheduler: asScheduler(options.scheduler ?? 'wlc', options.schedulerOptions),
    flags: options.flags ?? [],
    servers: options.servers.map(asServer),
    timeouts: { ...kernelTimeouts, ...options.timeouts },
    persistence:
      options.persistence === undefined || first === undefined
        ? null
        : persistenceOf(familyOf(first.address), options.persistence),
    mark: options.mark ?? null,
    onePacket: options.onePacket ?? false,
    helper: options.helper ?? 'none',
    health: options.health ?? [],
    slowStart: options.slowStart ?? null,
    drain: options.drain ?? patientDrain,
    quorum: options.quorum ?? null,
    sorryServers: (options.sorryServers ?? []).map(asServer),
  };
}

/** The scheduler's name, as listings and metrics show it. */
export const schedulerNameOf = ({ scheduler }: Pick<VirtualService, 'scheduler'>): string =>
  typeof scheduler === 'string' ? scheduler : scheduler.scheduler.name;

function asScheduler(
  scheduler: SchedulerName | CustomScheduler | SchedulerProgram,
  options: SchedulerProgram['options'] | undefined,
): VirtualService['scheduler'] {
  if (typeof scheduler === 'string' || 'scheduler' in scheduler) return scheduler;
  return schedulerProgram(scheduler, options);
}

const asServer = (server: string | RealServer): RealServer =>
  typeof server === 'string' ? realServer(server) : server;
