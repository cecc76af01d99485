// SPDX-License-Identifier: Apache-2.0
/** vsnat, as it is used: the real daemon over a real TUN device, in network namespaces of this machine. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { ServicesAnswer, FlowsAnswer, StatusAnswer } from '../../src/admin/api.js';
import { getJson, postJson } from '../../src/admin/client.js';
import { Daemon, type DaemonConfig } from '../netns/support/daemon.js';
import { freshPrefix, Namespace, removeNamespaces } from '../netns/support/namespace.js';
import { must } from '../netns/support/process.js';
import { until } from '../netns/support/until.js';
import { nameOf, Services } from './ipvsadm-lines.js';
import { hosts, labScript, playerArguments, type Host } from './lab.js';
import { builtPlayer, Player } from './player.js';
import {
  fence,
  type Capture,
  type Connection,
  type Listener,
  type ServerLine,
  type VsnatSettings,
  type World,
} from './world.js';

const fenceService = {
  name: 'fence',
  listen: `udp://${fence.service}`,
  scheduler: 'rr',
  servers: [fence.server],
};

/** More than processors: most of what a scenario costs is waiting for the host's tools, or plain waiting. */
const worldsAtOnce = 4;

export class VsnatWorld implements World {
  /** The first one alone, as it may have the player to compile. */
  static async startSeveral(): Promise<readonly VsnatWorld[]> {
    const first = await VsnatWorld.start();
    const others = Array.from({ length: worldsAtOnce - 1 }, () => VsnatWorld.start());
    return [first, ...(await Promise.all(others))];
  }

  static async start(): Promise<VsnatWorld> {
    const prefix = freshPrefix();
    const namespaces = [...hosts, 'director'].map((name) => prefix + name);
    try {
      const program = await builtPlayer();
      await must(['sh', '-c', labScript(prefix, [])]);
      const child = spawn(program, playerArguments(prefix), { stdio: ['pipe', 'pipe', 'inherit'] });
      const player = new Player(child.stdout, child.stdin);
      await player.ready(10_000);
      const daemon = await Daemon.start(new Namespace(`${prefix}director`), configuration([], {}));
      return new VsnatWorld(namespaces, child, player, daemon);
    } catch (error) {
      await removeNamespaces(namespaces);
      throw error;
    }
  }

  readonly #namespaces: readonly string[];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #player: Player;
  readonly #daemon: Daemon;
  readonly #services = new Services();
  #settings: VsnatSettings = {};

  private constructor(
    namespaces: readonly string[],
    child: ChildProcessByStdio<Writable, Readable, null>,
    player: Player,
    daemon: Daemon,
  ) {
    this.#namespaces = namespaces;
    this.#child = child;
    this.#player = player;
    this.#daemon = daemon;
  }

  /** The first line of the scenario brings the settings into force and takes away what the last one left. */
  begin(settings: VsnatSettings, sysctls: Readonly<Record<string, number>>): Promise<void> {
    this.#services.clear();
    const ipvs = { ...(settings.ipvs as VsnatSettings | undefined), ...sysctls };
    this.#settings = { ...settings, ...(Object.keys(ipvs).length > 0 && { ipvs }) };
    return Promise.resolve();
  }

  mark(mark: number, listeners: readonly Listener[]): Promise<void> {
    this.#services.mark(mark, listeners);
    return Promise.resolve();
  }

  /**
   * The kernel obeys line by line. Where that can tell, so does this: wrr keeps its place while servers are added. The
   * other schedulers know only the list, and one reload instead of many saves most of the time a scenario takes.
   */
  async ipvsadm(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      this.#services.apply(line);
      if (this.#services.hasScheduler('wrr')) await this.#reload();
    }
    if (!this.#services.hasScheduler('wrr')) await this.#reload();
  }

  send(from: Host, packet: Buffer): Promise<readonly Capture[]> {
    return this.#player.send(from, packet);
  }

  wait(milliseconds: number): Promise<readonly Capture[]> {
    return this.#player.gather(milliseconds);
  }

  async connections(): Promise<readonly Connection[]> {
    const rows: Connection[] = [];
    for (let cursor: number | null = 0; cursor !== null;) {
      const page: FlowsAnswer = await this.#ask<FlowsAnswer>(`/v1/flows?cursor=${cursor}&limit=1000`);
      for (const row of page.rows) {
        rows.push({
          protocol: row.protocol.toUpperCase(),
          state: row.state,
          client: endpoint(row.clientAddress, row.clientPort),
          virtual: endpoint(row.virtualAddress, row.virtualPort),
          real: endpoint(row.realAddress, row.realPort),
          expiresInSeconds: row.expiresInSeconds,
        });
      }
      cursor = page.next;
    }
    return rows;
  }

  async servers(service: string): Promise<readonly ServerLine[]> {
    const { services } = await this.#ask<ServicesAnswer>('/v1/services');
    const found = services.find((one) => one.service === nameOf(service));
    if (found === undefined) throw new Error(`no service ${service}`);
    return found.servers.map(({ server, weight, active, inactive }) => ({
      server,
      weight,
      active,
      inactive,
    }));
  }

  /** The daemon must end well and leave its host as it was. */
  async close(): Promise<void> {
    try {
      await this.#daemon.stop();
    } finally {
      this.#child.stdin.end();
      await removeNamespaces(this.#namespaces);
    }
  }

  /** For the failure path. */
  async discard(): Promise<void> {
    await this.#daemon.discard();
    this.#child.stdin.end();
    await removeNamespaces(this.#namespaces);
  }

  get log(): string {
    return this.#daemon.log;
  }

  async #reload(): Promise<void> {
    const { installation } = this.#daemon;
    await installation.write(configuration(this.#services.config(), this.#settings));
    const { status, body } = await postJson(installation.socket, '/v1/reload');
    if (status !== 200) throw new Error(`the daemon refused a configuration: ${JSON.stringify(body)}`);
    await until('the queue to work with the new configuration', async () => {
      return (await this.#ask<StatusAnswer>('/v1/status')).director?.adopted;
    });
  }

  async #ask<T>(path: string): Promise<T> {
    const { status, body } = await getJson(this.#daemon.installation.socket, path);
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body as T;
  }
}

/** One queue: the fence promises order only within one. */
const configuration = (services: DaemonConfig['services'], settings: VsnatSettings): DaemonConfig => ({
  ...settings,
  tun: { queues: 1 },
  metrics: { listen: '127.0.0.1:9191' },
  services: [fenceService, ...services],
});

const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
