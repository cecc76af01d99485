// SPDX-License-Identifier: Apache-2.0
/** The real daemon, `bin/vsnat run`, inside the director's namespace, with the host around it watched. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { hostState } from './host-state.js';
import { Metrics } from './metrics.js';
import type { Namespace } from './namespace.js';
import type { Background, Finished } from './process.js';
import { projectRoot } from './project-root.js';
import { until } from './until.js';

const metricsUrl = 'http://127.0.0.1:9191';

export interface ServiceConfig {
  readonly name: string;
  readonly listen: string | readonly string[];
  readonly scheduler?: string;
  readonly scheduler_options?: Readonly<Record<string, unknown>>;
  readonly routed?: boolean;
  readonly helper?: string;
  readonly timeouts?: Readonly<Record<string, string>>;
  readonly servers: readonly (string | Readonly<Record<string, unknown>>)[];
}

/** The configuration file as an object; see docs/configuration.md. */
export interface DaemonConfig {
  readonly services: readonly ServiceConfig[];
  readonly tun?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

/** Where an object would take longer to write than to read: the file itself, which must name the socket. */
export type ConfigText = (installation: { readonly socket: string }) => string;

/** A directory with a configuration in it, and the commands of the daemon that would use it. */
export class Installation {
  /** `root` is another checkout than this one when two versions are compared. */
  static async create(namespace: Namespace, root = projectRoot): Promise<Installation> {
    return new Installation(namespace, await mkdtemp(path.join(tmpdir(), 'vsnat-test-')), root);
  }

  readonly configFile: string;
  readonly socket: string;
  readonly #program: string;

  private constructor(
    readonly namespace: Namespace,
    readonly directory: string,
    root: string,
  ) {
    this.#program = path.join(root, 'bin/vsnat');
    this.configFile = path.join(directory, 'vsnat.yaml');
    this.socket = path.join(directory, 'vsnat.sock');
  }

  async write(config: DaemonConfig): Promise<void> {
    await this.writeText(stringify({ admin: { socket: this.socket }, log: { format: 'text' }, ...config }));
  }

  async writeText(text: string): Promise<void> {
    await writeFile(this.configFile, text);
  }

  /** Runs a command of vsnat to its end. */
  vsnat(...args: string[]): Promise<Finished> {
    return this.namespace.run([process.execPath, this.#program, ...args], {
      env: { VSNAT_SOCKET: this.socket },
    });
  }

  /** What a command answers with --json. */
  async json(...args: string[]): Promise<{ readonly code: number | null; readonly answer: unknown }> {
    const { code, stdout, stderr } = await this.vsnat('--json', ...args);
    try {
      return { code, answer: JSON.parse(stdout) };
    } catch (cause) {
      const said = `exit code ${String(code)}, stdout ${JSON.stringify(stdout)}, stderr ${JSON.stringify(stderr)}`;
      throw new Error(`vsnat ${args.join(' ')} --json: must answer in JSON, got ${said}`, { cause });
    }
  }

  /** Starts a command that goes on. */
  spawn(...args: string[]): Background {
    return this.namespace.spawn([process.execPath, this.#program, ...args], {
      env: { VSNAT_SOCKET: this.socket },
    });
  }

  /** A start that is expected to end by itself. VSNAT_SOCKET stays unset: it would outvote the file's own socket. */
  async runDaemon(): Promise<Finished> {
    return this.spawnDaemon().finish();
  }

  spawnDaemon(): Background {
    return this.namespace.spawn([process.execPath, this.#program, 'run', '-c', this.configFile]);
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

export class Daemon {
  static async start(
    namespace: Namespace,
    config: DaemonConfig | ConfigText,
    root = projectRoot,
  ): Promise<Daemon> {
    const installation = await Installation.create(namespace, root);
    if (typeof config === 'function') await installation.writeText(config(installation));
    else await installation.write(config);
    const daemon = new Daemon(installation, await hostState(namespace));
    try {
      await until('the daemon to be ready', () => daemon.#ready(), { timeoutMs: 60_000 });
      return daemon;
    } catch (error) {
      await daemon.#process.stop('SIGKILL');
      await installation.remove();
      throw new Error(`the daemon did not start:\n${daemon.log}`, { cause: error });
    }
  }

  readonly #process: Background;
  readonly #hostBefore: string;

  private constructor(
    readonly installation: Installation,
    hostBefore: string,
  ) {
    this.#hostBefore = hostBefore;
    this.#process = installation.spawnDaemon();
  }

  get log(): string {
    return this.#process.output;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What `path` of the metrics listener answers, or null while it does not answer 200. */
  async fetch(path: string): Promise<string | null> {
    const { code, stdout } = await this.installation.namespace.run([
      'curl',
      '-sf',
      '-m',
      '20',
      metricsUrl + path,
    ]);
    return code === 0 ? stdout : null;
  }

  async metrics(): Promise<Metrics> {
    const text = await this.fetch('/metrics');
    if (text === null) throw new Error(`no metrics from the daemon\n${this.log}`);
    return new Metrics(text);
  }

  /**
   * The equations hold at rest. A scrape may catch a packet in the middle of its way, so they get a moment; a real
   * leak stays.
   */
  async assertConservation(): Promise<void> {
    let broken: readonly string[] = [];
    const settled = async (): Promise<boolean> => {
      broken = (await this.metrics()).violations();
      return broken.length === 0;
    };
    await until('the counters to add up', settled, { timeoutMs: 15_000, everyMs: 100 }).catch(
      (error: unknown) => {
        throw new Error(broken.join('\n'), { cause: error });
      },
    );
  }

  /** Writes a new configuration, sends SIGHUP and waits until the daemon has counted the outcome. */
  async reload(config: DaemonConfig | string): Promise<void> {
    const before = (await this.metrics()).sum('vsnat_config_reloads_total');
    if (typeof config === 'string') await this.installation.writeText(config);
    else await this.installation.write(config);
    this.#process.signal('SIGHUP');
    await until('the reload to be counted', async () => {
      return (await this.metrics()).sum('vsnat_config_reloads_total') > before;
    });
  }

  /** SIGHUP, for those who see themselves what becomes of it. */
  hangUp(): void {
    this.#process.signal('SIGHUP');
  }

  /** SIGTERM; the daemon must end with 0 and the host must be as it was before. */
  async stop(): Promise<void> {
    const finished = await this.#process.stop('SIGTERM');
    const after = await hostState(this.installation.namespace);
    await this.installation.remove();
    if (finished.code !== 0) throw new Error(`the daemon ended with ${String(finished.code)}:\n${this.log}`);
    if (after !== this.#hostBefore) {
      throw new Error(
        `the daemon left something behind:\n${differences(this.#hostBefore, after)}\n${this.log}`,
      );
    }
  }

  /** For the failure path: the process and its files go, nothing is judged. */
  async discard(): Promise<void> {
    await this.#process.stop('SIGKILL');
    await this.installation.remove();
  }

  async #ready(): Promise<boolean> {
    if (!this.#process.alive) throw new Error('it ended');
    // Asking is a process each time, and would take the processors from the daemon that starts.
    return /^\S+ info +ready /m.test(this.log) && (await this.fetch('/readyz')) !== null;
  }
}

function differences(before: string, after: string): string {
  const [was, is] = [before.split('\n'), after.split('\n')];
  return [
    ...was.filter((line) => !is.includes(line)).map((line) => `- ${line}`),
    ...is.filter((line) => !was.includes(line)).map((line) => `+ ${line}`),
  ].join('\n');
}
