// SPDX-License-Identifier: Apache-2.0
/**
 * The programs of the demo: real servers, the director, the capture, the client. Each runs in its namespace and in a
 * process group of its own, so that Ctrl-C reaches the demo alone, which then ends them in order.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VsnatError } from '../errors.js';
import { startCapture, type Capture } from './capture.js';
import { demoFolder } from './lock.js';
import { endChild, waitFor, type Namespace } from './namespaces.js';
import { configuration, demoServers, rport, vip, vport, type Topology } from './topology.js';

/** How long a program may take to be ready, and the director to give everything back. */
const startWithinMs = 15_000;

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const socket = join(demoFolder, 'vsnat.sock');
export const configFile = join(demoFolder, 'vsnat.yaml');
const daemonLog = join(demoFolder, 'daemon.log');

export interface RunningServer {
  readonly name: string;
  readonly child: ChildProcess;
  /** Client addresses, one per request. */
  readonly clients: string[];
}

export class Crew {
  readonly #signal: AbortSignal;
  readonly #children: ChildProcess[] = [];
  daemon: ChildProcess | undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async startServers(net: Topology): Promise<readonly RunningServer[]> {
    const script = join(root, 'dist/lab/web-server.js');
    const servers = demoServers.map(({ name }, index): RunningServer & { isListening: boolean } => {
      const child = this.#spawn(net.servers[index], [process.execPath, script, name, String(rport)], 'pipe');
      const server = { name, child, clients: [] as string[], isListening: false };
      onLines(child, (line) => {
        const said = JSON.parse(line) as { readonly client?: string; readonly listening?: true };
        if (said.client !== undefined) server.clients.push(said.client);
        else server.isListening = true;
      });
      return server;
    });
    const isReady = (): true | null => (servers.every((server) => server.isListening) ? true : null);
    if ((await waitFor(isReady, startWithinMs)) === null)
      throw new VsnatError(
        'VSNAT_LAB',
        'demo: the real servers did not start; is dist/ complete (npm run build:ts)?',
      );
    return servers;
  }

  async startDaemon(director: Namespace): Promise<void> {
    await writeFile(configFile, configuration(socket));
    const log = openSync(daemonLog, 'a');
    const daemon = this.#spawn(
      director,
      [process.execPath, join(root, 'bin/vsnat'), 'run', '-c', configFile],
      log,
    );
    closeSync(log);
    this.daemon = daemon;
    const outcome = await waitFor(async () => {
      if (daemon.exitCode !== null || this.#signal.aborted) return 'ended';
      return (await readFile(daemonLog, 'utf8')).includes('"msg":"ready"') ? 'ready' : null;
    }, startWithinMs);
    this.#signal.throwIfAborted();
    if (outcome === 'ready') return;
    const said = (await readFile(daemonLog, 'utf8')).trim();
    const how =
      outcome === null
        ? `was not ready within ${startWithinMs / 1000} s`
        : `ended with ${daemon.exitCode ?? 'a signal'}`;
    throw new VsnatError('VSNAT_LAB', `demo: the director ${how}, its log says:\n${said}`);
  }

  async startCapture(client: Namespace): Promise<Capture> {
    const capture = await startCapture(client, 'eth0');
    this.#children.push(capture.child);
    return capture;
  }

  async sendRequests(
    client: Namespace,
    requests: number,
  ): Promise<{ readonly answers: readonly string[]; readonly firstAt: number }> {
    const script = join(root, 'dist/lab/web-client.js');
    const url = `http://${vip}:${vport}/`;
    const child = this.#spawn(client, [process.execPath, script, url, String(requests)], 'pipe');
    const answers: string[] = [];
    let firstAt = 0;
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    onLines(child, (line) => {
      if (answers.push(line) === 1) firstAt = Date.now();
    });
    const status = await new Promise((resolve) => child.once('close', resolve));
    this.#signal.throwIfAborted();
    if (status === 0) return { answers, firstAt };
    const what = `request ${answers.length + 1} of ${requests} failed, got ${JSON.stringify(complaint.trim())}`;
    throw new VsnatError('VSNAT_LAB', `demo: ${what}`);
  }

  #spawn(namespace: Namespace | undefined, argv: readonly string[], output: 'pipe' | number): ChildProcess {
    if (namespace === undefined) throw new VsnatError('VSNAT_LAB', 'demo: a namespace is missing');
    const child = namespace.spawn(argv, { stdio: ['ignore', output, output], detached: true });
    this.#children.push(child);
    return child;
  }

  async end(): Promise<void> {
    // Last started, first ended: the director goes before the servers and gives its namespace back as it was.
    for (const child of this.#children.toReversed()) await endChild(child, startWithinMs);
  }
}

function onLines(child: ChildProcess, take: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  });
}
