// SPDX-License-Identifier: Apache-2.0
/**
 * A scheduler before it goes live: a trace of connections through a director in memory, with the addon's own
 * dispatch, flow table and measurements. What is not real is the world around it: servers answer a handshake after the time
 * they are given, and nothing is lost.
 */
import { Director, type MemoryDirector } from '../director/director.js';
import { ManualClock } from '../director/manual-clock.js';
import { Heap, type HeapEntry } from '../health/heap.js';
import { VsnatError } from '../errors.js';
import {
  endpoint,
  formatEndpoint,
  serverId,
  serviceFamily,
  targetPort,
  type Model,
  type VirtualService,
} from '../model/index.js';
import { tcpPacket } from '../packet/build.js';
import { readPacket } from '../packet/read.js';
import type { TraceConnection } from './trace.js';

/** The world around the schedulers. */
export interface SimulateOptions {
  /** Of the configuration beside the service, such as `flows` or `ipvs`; defaults for what is left out. */
  readonly settings?: Partial<Model>;
  /** Milliseconds a server takes to answer a SYN, with that many connections; 1 for all when left out. */
  readonly latencyMs?: (server: string, active: number) => number;
  /** From this second on the service has these servers; for what a removal or an addition disturbs. */
  readonly change?: { readonly at: number; readonly servers: VirtualService['servers'] };
}

/** How a server fared. */
export interface SimulatedServer {
  readonly server: string;
  readonly connections: number;
  /** Of all connections. */
  readonly share: number;
  /** What its weight among the servers of the beginning would give it. */
  readonly fair: number;
  /** The most connections it had at once. */
  readonly mostActive: number;
}

/** What became of a trace. */
export interface Simulation {
  readonly servers: readonly SimulatedServer[];
  readonly connections: number;
  readonly refused: number;
  /**
   * The greatest of the servers' live connections by their fair share of all live ones, while there are a hundred of these
   * and twenty for each server: one too many says nothing where there are three. null: there never were so many.
   */
  readonly worstLoad: number | null;
  /** Clients that came before and after the change and whose server is still there; and how many of them met another. */
  readonly disruption: { readonly clients: number; readonly moved: number };
  /** Of all handshakes. */
  readonly meanHandshakeMs: number;
  /** What a custom scheduler did wrong or oddly, in sentences. */
  readonly warnings: readonly string[];
}

const firstMs = 1000;
const vip = endpoint('192.0.2.10:80');

interface Live {
  readonly client: string;
  /** The client's address and port. */
  readonly from: string;
  readonly server: string;
}

interface Due extends HeapEntry {
  readonly act: () => void;
}

/**
 * Plays `trace` against the service in memory: its scheduler, its servers, one VIP and TCP, whatever it listens on; its checks
 * and its persistence are left out. Rejects with VSNAT_USAGE for a service of IPv6.
 */
export async function simulate(
  service: VirtualService,
  trace: readonly TraceConnection[],
  options: SimulateOptions = {},
): Promise<Simulation> {
  if (serviceFamily(service) === 'ipv6')
    throw new VsnatError(
      'VSNAT_USAGE',
      `simulate: must have IPv4 servers, got ${service.name}; simulations speak IPv4`,
    );
  const clock = new ManualClock(firstMs);
  const listen = [{ protocol: 'tcp' as const, ...vip }];
  const served = (servers: VirtualService['servers']): Partial<Model> => ({
    ...options.settings,
    services: [{ ...service, listen, servers, health: [], persistence: null, mark: null, sorryServers: [] }],
  });
  const director = Director.memory(served(service.servers), { hashKey: new Uint8Array(16), clock });
  try {
    return await new Run(director, clock, service, options, served).play(trace);
  } finally {
    await director.close();
  }
}

class Run {
  readonly #latencyMs: NonNullable<SimulateOptions['latencyMs']>;
  readonly #active = new Map<string, number>();
  readonly #most = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #lastServer = new Map<string, string>();
  readonly #moved = new Map<string, boolean>();
  readonly #fair: ReadonlyMap<string, number>;
  /** By where its packets go. */
  readonly #byEndpoint: ReadonlyMap<string, string>;
  readonly #due = new Heap<Due>();
  readonly #ports = new Map<string, number>();
  readonly #enough: number;
  #live = 0;
  #worst: number | null = null;
  #expiredAt = -Infinity;
  #refused = 0;
  #waits: number[] = [];
  #hasChanged = false;

  constructor(
    readonly director: MemoryDirector,
    readonly clock: ManualClock,
    readonly service: VirtualService,
    readonly options: SimulateOptions,
    readonly served: (servers: VirtualService['servers']) => Partial<Model>,
  ) {
    this.#latencyMs = options.latencyMs ?? (() => 1);
    this.#enough = Math.max(100, 20 * service.servers.length);
    const weights = service.servers.reduce<number>((sum, { weight }) => sum + weight, 0);
    this.#fair = new Map(service.servers.map((one) => [serverId(one), one.weight / Math.max(weights, 1)]));
    const all = [...service.servers, ...(options.change?.servers ?? [])];
    this.#byEndpoint = new Map(
      all.map((one) => [formatEndpoint({ ...one, port: targetPort({}, vip, one) }), serverId(one)]),
    );
  }

  async play(trace: readonly TraceConnection[]): Promise<Simulation> {
    const { change } = this.options;
    for (const connection of trace) {
      if (change !== undefined && !this.#hasChanged && connection.at >= change.at) {
        this.#turnTo(firstMs + change.at * 1000);
        this.#hasChanged = true;
        await this.director.apply(this.served(change.servers));
      }
      this.#turnTo(firstMs + connection.at * 1000);
      this.#begin(connection);
    }
    this.#turnTo(Infinity);
    return this.#result(trace.length);
  }

  /** Ends, answers and plans up to then, in the order of their times. */
  #turnTo(ms: number): void {
    for (let first = this.#due.first(); first !== undefined && first.at <= ms; first = this.#due.first()) {
      this.#due.delete(first);
      this.clock.turnTo(first.at);
      first.act();
    }
    if (Number.isFinite(ms)) this.clock.turnTo(ms);
  }

  #begin({ client, duration }: TraceConnection): void {
    const from = `${client}:${this.#portOf(client)}`;
    const [output] = this.#process(tcpPacket(from, vip));
    const to = output === undefined ? undefined : readPacket(output)?.destination;
    const server = to === undefined ? undefined : this.#byEndpoint.get(formatEndpoint(to));
    if (server === undefined) {
      this.#refused += 1;
      return;
    }
    this.#note(client, server);
    const live = { client, from, server };
    const wait = Math.max(1, Math.round(this.#latencyMs(server, this.#active.get(server) ?? 0)));
    this.#waits.push(wait);
    this.#at(this.clock.now() + wait, () => this.#answer(live));
    this.#at(this.clock.now() + wait + duration * 1000, () => this.#end(live));
  }

  #at(ms: number, act: () => void): void {
    this.#due.set({ at: ms, place: -1, act }, ms);
  }

  /** Each client's own, in turn. */
  #portOf(client: string): number {
    const last = this.#ports.get(client) ?? 1023;
    const port = last >= 65_535 ? 1024 : last + 1;
    this.#ports.set(client, port);
    return port;
  }

  #note(client: string, server: string): void {
    const before = this.#lastServer.get(client);
    const isStill = this.options.change?.servers.some((one) => serverId(one) === before && one.weight > 0);
    if (this.#hasChanged && before !== undefined && isStill === true && !this.#moved.has(client))
      this.#moved.set(client, before !== server);
    this.#lastServer.set(client, server);
    this.#counts.set(server, (this.#counts.get(server) ?? 0) + 1);
    const active = (this.#active.get(server) ?? 0) + 1;
    this.#active.set(server, active);
    this.#most.set(server, Math.max(this.#most.get(server) ?? 0, active));
    this.#live += 1;
    const share = this.#fair.get(server);
    if (this.#live >= this.#enough && share !== undefined && share > 0)
      this.#worst = Math.max(this.#worst ?? 0, active / (this.#live * share));
  }

  #answer({ from, server }: Live): void {
    const where = endpoint(server);
    const source = { ...where, port: targetPort({}, vip, where) };
    this.#process(tcpPacket(source, from, { flags: ['syn', 'ack'], ack: 1 }));
    this.#process(tcpPacket(from, vip, { flags: ['ack'], seq: 1, ack: 1 }));
  }

  #end({ from, server }: Live): void {
    this.#process(tcpPacket(from, vip, { flags: ['fin', 'ack'], seq: 1, ack: 1 }));
    this.#active.set(server, (this.#active.get(server) ?? 1) - 1);
    this.#live -= 1;
  }

  #process(packet: Uint8Array): readonly Uint8Array[] {
    const nowMs = Math.floor(this.clock.now());
    if (nowMs > this.#expiredAt) this.director.expire(nowMs);
    this.#expiredAt = nowMs;
    return this.director.process({ packet, nowMs }).outputs.map((output) => output.packet);
  }

  #result(connections: number): Simulation {
    const served = Math.max(connections - this.#refused, 1);
    return {
      servers: [...new Set(this.#byEndpoint.values())].map((server) => ({
        server,
        connections: this.#counts.get(server) ?? 0,
        share: (this.#counts.get(server) ?? 0) / served,
        fair: this.#fair.get(server) ?? 0,
        mostActive: this.#most.get(server) ?? 0,
      })),
      connections,
      refused: this.#refused,
      worstLoad: this.#worst,
      disruption: {
        clients: this.#moved.size,
        moved: [...this.#moved.values()].filter(Boolean).length,
      },
      meanHandshakeMs: this.#waits.reduce((sum, wait) => sum + wait, 0) / Math.max(this.#waits.length, 1),
      warnings: this.director.events
        .after()
        .events.filter(({ kind }) => kind === 'scheduler')
        .map(({ text }) => text),
    };
  }
}
