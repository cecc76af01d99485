// SPDX-License-Identifier: Apache-2.0
/**
 * A way to get a client's packets to a real server. All run in the same namespaces between the same two processes;
 * only the director's work differs. Each starts with all services at once, and puts the namespace back as it found it.
 */
import { addressOf, at, type Family } from '../../test/netns/support/lab.js';
import { ports, sinkPort } from '../../test/netns/support/load.js';
import { run, type Background } from '../../test/netns/support/process.js';
import type { RealServer, Topology } from '../../test/netns/support/topology.js';

export const services = {
  stream: { protocol: 'tcp', vport: 501, port: ports.stream },
  http: { protocol: 'tcp', vport: 80, port: ports.http },
  sink: { protocol: 'udp', vport: 9000, port: sinkPort },
} as const;
export type ServiceName = keyof typeof services;
export const serviceNames = Object.keys(services) as readonly ServiceName[];

/** What a load asks for; a contender may have to decline. */
export interface Demand {
  readonly service: ServiceName;
  readonly family: Family;
  readonly flows: number;
}

export interface Contender {
  readonly name: string;
  /** For charts and for reading tables: who does the work. */
  readonly kind: 'kernel' | 'floor' | 'vsnat' | 'proxy';
  /** A command it cannot do without, and the Debian packages that have it. */
  readonly needs?: { readonly command: string; readonly packages: string };
  /** A sentence when it cannot do this at all, so that it is not counted as a failure. */
  declines(demand: Demand): string | null;
  /** Resolves when connections reach the real server. */
  start(topology: Topology): Promise<Running>;
}

export interface Running {
  to(service: ServiceName, family: Family): string;
  /** Processes that do the director's work, without their children; none where the kernel does it. */
  readonly processes: readonly number[];
  /** What its queues have counted since the start; absent where nobody counts. */
  readonly counts?: () => Promise<QueueCounts>;
  stop(): Promise<void>;
}

export interface QueueCounts {
  readonly queues: number;
  /** Packets read; a superpacket is one. */
  readonly packets: number;
  readonly systemCalls: number;
  /** Packets of connections that another queue opened. */
  readonly foreign: number;
}

export const takesAll = (): null => null;

/** One real server for all: which one gets a connection costs nothing per packet, and the floor has no choice to make. */
export function realServer(topology: Topology): RealServer {
  const [server] = topology.servers;
  if (server === undefined) throw new Error('the bench needs a real server');
  return server;
}

export const vip: Readonly<Record<Family, string>> = { v4: '10.9.0.1', v6: 'fd00:9::1' };
export const vipOf = (service: ServiceName, family: Family): string =>
  at(vip[family], services[service].vport);

/**
 * A proxy ends connections at the VIP, so its namespace keeps sockets in TIME_WAIT there. The kernel finds those
 * before it routes (early demultiplexing) and then refuses to forward the packet: on the same VIP, whoever comes after
 * the proxy would lose every connection whose client port comes round again.
 */
export const proxyVip: Readonly<Record<Family, string>> = { v4: '10.9.0.2', v6: 'fd00:9::2' };
export const proxyVipOf = (service: ServiceName, family: Family): string =>
  at(proxyVip[family], services[service].vport);

export const ripOf = (topology: Topology, service: ServiceName, family: Family): string =>
  at(addressOf(realServer(topology), family), services[service].port);

/** The proxies' VIPs on the loopback device, and away again. */
export async function addProxyVips({ director }: Topology): Promise<() => Promise<void>> {
  const lines = (verb: string): string[] => [
    `addr ${verb} ${proxyVip.v4}/32 dev lo`,
    `addr ${verb} ${proxyVip.v6}/128 dev lo nodad`,
  ];
  await director.namespace.ip(lines('add'));
  return () => director.namespace.ip(lines('del').map((line) => line.replace(' nodad', '')));
}

/** Whether a socket listens, asked of the kernel: proxies do not say when they are ready. */
export async function isListening({ director }: Topology, program: Background): Promise<boolean> {
  if (!program.alive) throw new Error(`it ended:\n${program.output}`);
  return (await director.namespace.must(['ss', '-Hltn', `sport = :${services.http.vport}`])) !== '';
}

/** A sentence for each contender that cannot run here, by name. */
export async function missing(wanted: readonly Contender[]): Promise<ReadonlyMap<string, string>> {
  const sentences = new Map<string, string>();
  for (const { name, needs } of wanted) {
    if (needs === undefined) continue;
    const { code } = await run(['sh', '-c', `command -v ${needs.command}`]);
    if (code !== 0) sentences.set(name, `${needs.command} is missing; apt-get install ${needs.packages}`);
  }
  return sentences;
}
