// SPDX-License-Identifier: Apache-2.0
/**
 * A scheduler before it goes live: a trace of connections through a director in memory, with the addon's own
 * dispatch, flow table and measurements. What is not real is the world around it: servers answer a handshake after the time
 * they are given, and nothing is lost.
 */
import { Director, type MemoryDirector } from '../director/director.js';
import { ManualClock } from '../director/manual-clock.js';
import { serverId, type Model, type VirtualService } from '../model/index.js';
import { destinationOf, flags, tcpSegment } from './segment.js';
import type { TraceConnection } from './trace.js';

export interface SimulateOptions {
  /** Milliseconds a server takes to answer a SYN, with that many connections; 1 for all when left out. */
  readonly latencyMs?: (server: string, active: number) => number;
  /** From this second on the service has these servers; for what a removal or an addition disturbs. */
  readonly change?: { readonly at: number; readonly servers: VirtualService['servers'] };
}

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

export interface Simulation {
  readonly servers: readonly SimulatedServer[];
  readonly connections: number;
  readonly refused: number;
  /** The greatest of the servers' live connections by their fair share of all live ones, after the first hundred. */
  readonly worstLoad: number;
  /** Clients that came before and after the change and whose server is still there; and how many of them met another. */
  readonly disruption: { readonly clients: number; readonly moved: number };
  /** Of all handshakes. */
  readonly meanHandshakeMs: number;
}

const firstMs = 1000;
const virtualAddress = '192.0.2.10';

interface Live {
  readonly client: string;
  readonly port: number;
  readonly server: string;
}

export async function simulate(
  model: Model,
  service: VirtualService,
  trace: readonly TraceConnection[],
  options: SimulateOptions = {},
): Promise<Simulation> {
  const clock = new ManualClock(firstMs);
  const listen = [{ protocol: 'tcp' as const, address: parsedVip(), port: 80 }];
  const modelOf = (servers: VirtualService['servers']): Model => ({
    ...model,
    services: [{ ...service, listen, servers, health: [], persistence: null, mark: null, sorryServers: [] }],
  });
  const director = Director.memory(modelOf(service.servers), { hashKey: new Uint8Array(16), clock });
  try {
    return await new Run(director, clock, service, options, modelOf).play(trace);
  } finally {
    await director.close();
  }
}

const parsedVip = () => virtualAddress as VirtualService['listen'][number]['address'];

class Run {
  readonly #latencyMs: NonNullable<SimulateOptions['latencyMs']>;
  readonly #active = new Map<string, number>();
  readonly #most = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #lastServer = new Map<string, string>();
  readonly #moved = new Map<string, boolean>();
  readonly #fair: ReadonlyMap<string, number>;
  readonly #byAddress: Map<string, string>;
  #events: { readonly at: number; readonly act: () => void }[] = [];
  #nextPort = 1024;
  #live = 0;
  #worst = 0;
  #refused = 0;
  #waits: number[] = [];
  #hasChanged = false;

  constructor(
    readonly director: MemoryDirector,
    readonly clock: ManualClock,
    readonly service: VirtualService,
    readonly options: SimulateOptions,
    readonly modelOf: (servers: VirtualService['servers']) => Model,
  ) {
    this.#latencyMs = options.latencyMs ?? (() => 1);
    const weights = service.servers.reduce<number>((sum, { weight }) => sum + weight, 0);
    this.#fair = new Map(service.servers.map((one) => [serverId(one), one.weight / Math.max(weights, 1)]));
    const all = [...service.servers, ...(options.change?.servers ?? [])];
    this.#byAddress = new Map(all.map((one) => [one.address, serverId(one)]));
  }

  async play(trace: readonly TraceConnection[]): Promise<Simulation> {
    const { change } = this.options;
    for (const connection of trace) {
      if (change !== undefined && !this.#hasChanged && connection.at >= change.at) {
        this.#turnTo(firstMs + change.at * 1000);
        this.#hasChanged = true;
        await this.director.apply(this.modelOf(change.servers));
      }
      this.#turnTo(firstMs + connection.at * 1000);
      this.#begin(connection);
    }
    this.#turnTo(Infinity);
    return this.#result(trace.length);
  }

  /** Ends, answers and plans up to then, in the order of their times. */
  #turnTo(ms: number): void {
    while (this.#events.length > 0) {
      const [first] = this.#events.toSorted((a, b) => a.at - b.at);
      if (first === undefined || first.at > ms) break;
      this.#events.splice(this.#events.indexOf(first), 1);
      this.clock.turnTo(first.at);
      first.act();
    }
    if (Number.isFinite(ms)) this.clock.turnTo(ms);
  }

  #begin({ client, duration }: TraceConnection): void {
    const port = (this.#nextPort = this.#nextPort >= 65_535 ? 1024 : this.#nextPort + 1);
    const packet = tcpSegment({
      from: client,
      fromPort: port,
      to: virtualAddress,
      toPort: 80,
      flags: flags.syn,
    });
    const [output] = this.#process(packet);
    const server = output === undefined ? undefined : this.#byAddress.get(destinationOf(output));
    if (server === undefined) {
      this.#refused += 1;
      return;
    }
    this.#note(client, server);
    const live = { client, port, server };
    const wait = Math.max(1, Math.round(this.#latencyMs(server, this.#active.get(server) ?? 0)));
    this.#waits.push(wait);
    this.#events.push({ at: this.clock.now() + wait, act: () => this.#answer(live) });
    this.#events.push({ at: this.clock.now() + wait + duration * 1000, act: () => this.#end(live) });
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
    if (this.#live > 100 && share !== undefined && share > 0)
      this.#worst = Math.max(this.#worst, active / (this.#live * share));
  }

  #answer({ client, port, server }: Live): void {
    const [from = '', fromPort = ''] = server.split(':');
    const ends = { from, fromPort: Number(fromPort), to: client, toPort: port };
    this.#process(tcpSegment({ ...ends, flags: flags.syn | flags.ack, ack: 1 }));
    this.#process(
      tcpSegment({
        from: client,
        fromPort: port,
        to: virtualAddress,
        toPort: 80,
        flags: flags.ack,
        seq: 1,
        ack: 1,
      }),
    );
  }

  #end({ client, port, server }: Live): void {
    this.#process(
      tcpSegment({
        from: client,
        fromPort: port,
        to: virtualAddress,
        toPort: 80,
        flags: flags.fin | flags.ack,
        seq: 1,
        ack: 1,
      }),
    );
    this.#active.set(server, (this.#active.get(server) ?? 1) - 1);
    this.#live -= 1;
  }

  #process(packet: Uint8Array): readonly Uint8Array[] {
    const nowMs = Math.floor(this.clock.now());
    this.director.expire(nowMs);
    return this.director.process({ packet, nowMs }).outputs.map((output) => output.packet);
  }

  #result(connections: number): Simulation {
    const served = Math.max(connections - this.#refused, 1);
    return {
      servers: [...new Set(this.#byAddress.values())].map((server) => ({
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
    };
  }
}
