// SPDX-License-Identifier: Apache-2.0
/** vsnat, as it is used: the real daemon over a real TUN device, in network namespaces of this machine. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServicesAnswer, FlowsAnswer, StatusAnswer } from '../../src/admin/api.js';
import { getJson, postJson } from '../../src/admin/client.js';
import { Daemon, type DaemonConfig, type ServiceConfig } from '../netns/support/daemon.js';
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

/** Most of what a scenario costs is a daemon that waits for its host's tools, so one daemon more than processors. */
const directorsAtOnce = 3;
/** So many scenarios share a daemon, and each of its reloads. */
const seatsOfDirector = 8;

/** Enough to read what has come already. */
const arrivedMs = 10;

/** A daemon with its network, for several scenarios at once that want the same settings of it. */
export class VsnatDirector {
  /** The first one alone, as it may have the player to compile. */
  static async startSeveral(): Promise<readonly VsnatDirector[]> {
    const first = await VsnatDirector.start();
    const others = Array.from({ length: directorsAtOnce - 1 }, () => VsnatDirector.start());
    return [first, ...(await Promise.all(others))];
  }

  static async start(): Promise<VsnatDirector> {
    const prefix = freshPrefix();
    const namespaces = [...hosts, 'director'].map((name) => prefix + name);
    try {
      const program = await builtPlayer();
      await must(['sh', '-c', labScript(prefix, [])]);
      const child = spawn(program, playerArguments(prefix), { stdio: ['pipe', 'pipe', 'inherit'] });
      const player = new Player(child.stdout, child.stdin);
      await player.ready(10_000);
      const daemon = await Daemon.start(new Namespace(`${prefix}director`), configuration([], {}));
      return new VsnatDirector(namespaces, child, player, daemon);
    } catch (error) {
      await removeNamespaces(namespaces);
      throw error;
    }
  }

  readonly seats: readonly VsnatWorld[];
  readonly #namespaces: readonly string[];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #daemon: Daemon;
  #reloading: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  private constructor(
    namespaces: readonly string[],
    child: ChildProcessByStdio<Writable, Readable, null>,
    readonly player: Player,
    daemon: Daemon,
  ) {
    this.#namespaces = namespaces;
    this.#child = child;
    this.#daemon = daemon;
    this.seats = Array.from({ length: seatsOfDirector }, () => new VsnatWorld(this));
  }

  /** Brings what all seats want into force. Those who ask while a reload is under way share the next one. */
  reload(settings: VsnatSettings): Promise<void> {
    this.#next ??= this.#reloading.then(() => {
      this.#next = null;
      const reload = this.#reload(settings);
      this.#reloading = reload.catch(() => undefined); // those who asked for it have the failure
      return reload;
    });
    return this.#next;
  }

  async #reload(settings: VsnatSettings): Promise<void> {
    const { installation } = this.#daemon;
    await installation.write(
      configuration(
        this.seats.flatMap((seat) => seat.services),
        settings,
      ),
    );
    const { status, body } = await postJson(installation.socket, '/v1/reload');
    if (status !== 200) throw new Error(`the daemon refused a configuration: ${JSON.stringify(body)}`);
    await until('the queue to work with the new configuration', async () => {
      return (await this.ask<StatusAnswer>('/v1/status')).director?.adopted;
    });
  }

  async ask<T>(path: string): Promise<T> {
    const { status, body } = await getJson(this.#daemon.installation.socket, path);
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body as T;
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

  get log(): string {
    return this.#daemon.log;
  }
}

/** One scenario's place at a director: its services, beside those of the others. */
export class VsnatWorld implements World {
  readonly #director: VsnatDirector;
  readonly #services = new Services();
  #settings: VsnatSettings = {};

  constructor(director: VsnatDirector) {
    this.#director = director;
  }

  get services(): readonly ServiceConfig[] {
    return this.#services.config();
  }

  /** The first line of the scenario brings the settings into force. */
  begin(settings: VsnatSettings, sysctls: Readonly<Record<string, number>>): Promise<void> {
    const ipvs = { ...(settings.ipvs as VsnatSettings | undefined), ...sysctls };
    this.#settings = { ...settings, ...(Object.keys(ipvs).length > 0 && { ipvs }) };
    return Promise.resolve();
  }

  /** The next reload takes them away, whosever it is. */
  end(): Promise<void> {
    this.#services.clear();
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
      if (this.#services.hasScheduler('wrr')) await this.#director.reload(this.#settings);
    }
    if (!this.#services.hasScheduler('wrr')) await this.#director.reload(this.#settings);
  }

  send(from: Host, packet: Buffer): Promise<readonly Capture[]> {
    return this.#director.player.send(from, packet);
  }

  /** Sleeps outside of the player, which has others to serve meanwhile. */
  async wait(milliseconds: number): Promise<readonly Capture[]> {
    await sleep(milliseconds);
    return this.#director.player.gather(arrivedMs);
  }

  async connections(): Promise<readonly Connection[]> {
    const rows: Connection[] = [];
    for (let cursor: number | null = 0; cursor !== null;) {
      const page: FlowsAnswer = await this.#director.ask<FlowsAnswer>(
        `/v1/flows?cursor=${cursor}&limit=1000`,
      );
      for (const row of page.rows) {
        rows.push({
          protocol: row.protocol.toUpperCase(),
          state: row.state,
          client: endpoint(row.clientAddress, row.clientPort),
          virtual: endpoint(row.virtualAddress, row.virtualPort),
          real: endpoint(row.realAddress, row.realPort),
          expiresInSeconds: row.expiresInSeconds - 1, // the kernel does not count the one that has begun
          ...(row.callId !== undefined && { callId: row.callId }),
        });
      }
      cursor = page.next;
    }
    return rows;
  }

  async servers(service: string): Promise<readonly ServerLine[]> {
    const { services } = await this.#director.ask<ServicesAnswer>('/v1/services');
    const found = services.find((one) => one.service === nameOf(service));
    if (found === undefined) throw new Error(`no service ${service}`);
    return found.servers.map(({ server, weight, active, inactive }) => ({
      server,
      weight,
      active,
      inactive,
    }));
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
