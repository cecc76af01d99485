// SPDX-License-Identifier: Apache-2.0
/** A topology with servers that serve, a director that directs, and shorthand for the client's side of things. */
import { Capture } from './capture.js';
import { Daemon, type ConfigText, type DaemonConfig, type ServiceConfig } from './daemon.js';
import { load, ports, serve, startLoad, type LoadOptions, type Results } from './load.js';
import type { Namespace } from './namespace.js';
import type { Background } from './process.js';
import { Topology, type RealServer, type TopologyOptions } from './topology.js';

/** The VIPs of the standard services; the outside ports differ from the real servers' on purpose. */
export const vip = {
  v4: '10.9.0.1',
  v6: 'fd00:9::1',
  stream: 501,
  http: 80,
  udp: 53,
  /** On the VIP, but nobody's. */
  closed: 9,
} as const;

export type Family = 'v4' | 'v6';
export const families = ['v4', 'v6'] as const satisfies readonly Family[];

/** ADDRESS:PORT, with the brackets IPv6 needs. */
export const at = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

export const addressOf = (host: { readonly ipv4: string; readonly ipv6: string }, family: Family): string =>
  family === 'v4' ? host.ipv4 : host.ipv6;

export interface StandardOptions {
  readonly scheduler?: string;
  readonly weights?: readonly number[];
  readonly vips?: Readonly<Record<Family, string>>;
  readonly routed?: boolean;
}

/** One service per family and protocol, over all real servers. */
export function standardServices(
  servers: readonly RealServer[],
  { scheduler = 'wrr', weights = [], vips = vip, routed = false }: StandardOptions = {},
): readonly ServiceConfig[] {
  const kinds = [
    ['stream', 'tcp', vip.stream],
    ['http', 'tcp', vip.http],
    ['udp', 'udp', vip.udp],
  ] as const;
  return families.flatMap((family) =>
    kinds.map(([kind, protocol, port]) => ({
      name: `${kind}-${family}`,
      listen: `${protocol}://${at(vips[family], port)}`,
      scheduler,
      ...(routed && { routed }),
      servers: servers.map((server, i) => ({
        address: at(addressOf(server, family), ports[kind]),
        weight: weights[i] ?? 1,
      })),
    })),
  );
}

export interface LabOptions extends TopologyOptions, StandardOptions {
  /** Merged over the configuration with the standard services. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Prepares the director's namespace before the daemon starts. */
  readonly prepare?: (topology: Topology) => Promise<void>;
  /** 'none' leaves the director's work to the test (plain routing, nftables, the floor). */
  readonly director?: 'vsnat' | 'none';
}

export class Lab {
  static async create(options: LabOptions = {}): Promise<Lab> {
    const topology = await Topology.create(options);
    const lab = new Lab(topology, {
      services: standardServices(topology.servers, options),
      ...options.config,
    });
    try {
      await options.prepare?.(topology);
      lab.#serving.push(...(await Promise.all(topology.servers.map((server) => serve(server)))));
      if (options.director !== 'none') await lab.startDaemon();
      return lab;
    } catch (error) {
      await lab.#discard();
      throw error;
    }
  }

  readonly #serving: Background[] = [];
  #daemon: Daemon | undefined;

  private constructor(
    readonly topology: Topology,
    readonly config: DaemonConfig,
  ) {}

  get client(): Namespace {
    return this.topology.client.namespace;
  }

  get daemon(): Daemon {
    if (this.#daemon === undefined) throw new Error('no daemon runs in this lab');
    return this.#daemon;
  }

  get log(): string {
    return this.#daemon?.log ?? '';
  }

  server(index: number): RealServer {
    const server = this.topology.servers[index];
    if (server === undefined) throw new RangeError(`this lab has no real server ${index + 1}`);
    return server;
  }

  get rips(): readonly string[] {
    return this.topology.servers.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  }

  async startDaemon(config: DaemonConfig | ConfigText = this.config): Promise<Daemon> {
    this.#daemon = await Daemon.start(this.topology.director.namespace, config);
    return this.#daemon;
  }

  /** Stops the daemon and judges what it leaves. */
  async stopDaemon(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    await daemon?.stop();
  }

  load<C extends keyof Results>(command: C, options: LoadOptions): Promise<Results[C]> {
    return load(this.client, command, options);
  }

  startLoad<C extends keyof Results>(command: C, options: LoadOptions): ReturnType<typeof startLoad<C>> {
    return startLoad(this.client, command, options);
  }

  /** At the client's only device. */
  captureAtClient(filter?: string): Promise<Capture> {
    return Capture.start(this.client, 'up0', filter);
  }

  /** At a real server's only device. */
  captureAt(server: RealServer, filter?: string): Promise<Capture> {
    return Capture.start(server.namespace, 'up0', filter);
  }

  async assertConservation(): Promise<void> {
    await this.#daemon?.assertConservation();
  }

  async close(): Promise<void> {
    try {
      await this.stopDaemon();
    } finally {
      await this.#discard();
    }
  }

  async #discard(): Promise<void> {
    await this.#daemon?.discard();
    for (const server of this.#serving) await server.stop('SIGKILL');
    await this.topology.remove();
  }
}
