// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat demo`: VS/NAT on one machine, with real namespaces, real servers, the real daemon and real requests. It shows
 * what happened and checks it; a claim that does not hold is said plainly and makes the exit code 1. Whatever
 * ends the demo, nothing stays: children are ended by pid, namespaces removed by name, files with their folder.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, openSync, closeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VsnatError } from '../errors.js';
import { startCapture, type Capture } from './capture.js';
import { connectionsByServer, findings, type Measured } from './findings.js';
import { demoFolder, releaseLock, takeLock } from './lock.js';
import { endChild, waitFor, type Namespace } from './namespaces.js';
import { ensurePrograms } from './packages.js';
import { drawCommands, drawFindings, drawShares, drawTopology, pickMetrics } from './picture.js';
import {
  buildTopology,
  configuration,
  demoServers,
  metricsUrl,
  removeTopology,
  rport,
  vip,
  vport,
  type Topology,
} from './topology.js';

export interface DemoOptions {
  /** Show and end, instead of staying until Ctrl-C. */
  readonly once?: boolean;
  readonly out?: (line: string) => void;
}

/** A multiple of the weights' sum, so that the shares are whole numbers. */
const requests = 90;
const startWithinMs = 15_000;
const logWithinMs = 2000;

const root = fileURLToPath(new URL('../../', import.meta.url));
const vsnat = join(root, 'bin/vsnat');
const socket = join(demoFolder, 'vsnat.sock');
const configFile = join(demoFolder, 'vsnat.yaml');
const daemonLog = join(demoFolder, 'daemon.log');

export async function runDemo(options: DemoOptions = {}): Promise<number> {
  const { once = false, out = (line: string) => void process.stdout.write(`${line}\n`) } = options;
  checkMachine();
  const { hadLeftovers } = await takeLock();
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
  const demo = new Demo(out, stop.signal);
  try {
    if (hadLeftovers) out('removing what an earlier demo left behind');
    await removeTopology();
    const allHolds = await demo.show();
    if (!allHolds || once) return allHolds ? 0 : 1;
    return await demo.stay();
  } catch (error) {
    if (stop.signal.aborted) return 1;
    throw error;
  } finally {
    out('');
    out('tidying up');
    await demo.end();
    await removeTopology();
    await releaseLock();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
  }
}

function checkMachine(): void {
  if (process.getuid?.() !== 0)
    throw new VsnatError('VSNAT_NO_PERMISSION', 'demo: must make network namespaces; run it as root (sudo)');
  if (!existsSync('/dev/net/tun'))
    throw new VsnatError(
      'VSNAT_NO_TUN',
      'demo: /dev/net/tun is missing; run: mkdir -p /dev/net && mknod /dev/net/tun c 10 200',
    );
}

interface RunningServer {
  readonly name: string;
  readonly child: ChildProcess;
  /** Client addresses, one per request. */
  readonly clients: string[];
}

class Demo {
  readonly #out: (line: string) => void;
  readonly #signal: AbortSignal;
  readonly #children: ChildProcess[] = [];
  #daemon: ChildProcess | undefined;

  constructor(out: (line: string) => void, signal: AbortSignal) {
    this.#out = out;
    this.#signal = signal;
  }

  /** Builds everything, sends the requests, shows what came of it. True when every claim holds. */
  async show(): Promise<boolean> {
    const out = this.#out;
    const programs = await ensurePrograms(out);
    const net = await this.#step('five network namespaces, cabled', buildTopology);
    const servers = await this.#step('three real servers', () => this.#startServers(net));
    await this.#step('the director', () => this.#startDaemon(net.director));
    const capture = programs.has('tcpdump')
      ? await this.#step("a capture on the client's wire", () => this.#startCapture(net.client))
      : null;
    const answers = await this.#step(`${requests} requests, each over a new connection`, () =>
      sendRequests(net.client),
    );
    reportFirstAnswer(out);

    const sources = capture === null ? null : await capture.stop();
    const metrics = await fetchText(net.director, metricsUrl);
    const connections = await net.director.must([
      process.execPath,
      vsnat,
      '--socket',
      socket,
      'flows',
      '--limit',
      '6',
    ]);
    // The servers' lines come through pipes of their own and may arrive a moment after the answers.
    const hasLoggedAll = (): true | null =>
      servers.reduce((sum, server) => sum + server.clients.length, 0) >= answers.length ? true : null;
    await waitFor(hasLoggedAll, logWithinMs);
    const seenClients = new Map(servers.map((server) => [server.name, server.clients]));
    const counted = connectionsByServer(metrics);
    const measured: Measured = { requests, answers, seenClients, sources, counted };
    return this.#present(measured, connections, metrics);
  }

  #present(measured: Measured, connections: string, metrics: string): boolean {
    const out = this.#out;
    const section = (title: string, lines: readonly string[]): void => {
      out('');
      out(bold(title));
      for (const line of lines) out(line);
    };
    section('The network', drawTopology());
    section('Who answered (wrr, weights 5 : 3 : 1)', drawShares(measured));
    section(
      'The connection table: CIP (source), VIP (virtual), RIP (destination)',
      connections
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
    );
    section('Some metrics', pickMetrics(metrics));
    const list = findings(measured);
    section('Does it hold?', drawFindings(list));
    if (measured.sources === null)
      out('  --   not proved without tcpdump: that the client only ever sees the VIP');
    const broken = list.filter((finding) => !finding.holds);
    if (broken.length > 0) {
      out('');
      out(`The demo failed: ${broken.map((finding) => finding.sentence).join('; ')}.`);
    }
    return broken.length === 0;
  }

  /** Until Ctrl-C, or until the daemon dies. */
  async stay(): Promise<number> {
    const out = this.#out;
    out('');
    out(bold('It keeps running. Try, in another terminal'));
    const here = relative(process.cwd(), vsnat);
    const command = here.startsWith('..') ? vsnat : here;
    for (const line of drawCommands({ vsnat: command, socket, configFile })) out(line);
    out('');
    out('Ctrl-C ends the demo and removes everything.');
    return new Promise((resolve) => {
      this.#signal.addEventListener('abort', () => resolve(0), { once: true });
      if (this.#signal.aborted) resolve(0);
      this.#daemon?.once('exit', (status) => {
        if (this.#signal.aborted) return;
        out(`The director ended by itself with status ${status ?? 'unknown'}.`);
        resolve(1);
      });
    });
  }

  async end(): Promise<void> {
    // The daemon last started goes first: it gives the namespace back as it was.
    for (const child of this.#children.toReversed()) await endChild(child, startWithinMs);
  }

  async #step<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const started = performance.now();
    const result = await work();
    this.#signal.throwIfAborted();
    this.#out(`  ${what.padEnd(48)} ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return result;
  }

  async #startServers(net: Topology): Promise<readonly RunningServer[]> {
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

  async #startDaemon(director: Namespace): Promise<void> {
    await writeFile(configFile, configuration(socket));
    const log = openSync(daemonLog, 'a');
    const daemon = this.#spawn(director, [process.execPath, vsnat, 'run', '-c', configFile], log);
    closeSync(log);
    this.#daemon = daemon;
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

  async #startCapture(client: Namespace): Promise<Capture> {
    const capture = await startCapture(client, 'eth0');
    this.#children.push(capture.child);
    return capture;
  }

  #spawn(namespace: Namespace | undefined, argv: readonly string[], output: 'pipe' | number): ChildProcess {
    if (namespace === undefined) throw new VsnatError('VSNAT_LAB', 'demo: a namespace is missing');
    // Detached: Ctrl-C reaches the demo alone, which ends the others in order.
    const child = namespace.spawn(argv, { stdio: ['ignore', output, output], detached: true });
    this.#children.push(child);
    return child;
  }
}

async function sendRequests(client: Namespace): Promise<readonly string[]> {
  const script = join(root, 'dist/lab/web-client.js');
  const result = await client.run([process.execPath, script, `http://${vip}:${vport}/`, String(requests)]);
  const answers = result.stdout.split('\n').filter((line) => line !== '');
  if (result.status !== 0)
    throw new VsnatError(
      'VSNAT_LAB',
      `demo: request ${answers.length + 1} of ${requests} failed, got ${JSON.stringify(result.stderr.trim())}`,
    );
  return answers;
}

const fetchText = (namespace: Namespace, url: string): Promise<string> =>
  namespace.must([
    process.execPath,
    '--input-type=module',
    '--eval',
    'process.stdout.write(await (await fetch(process.argv[1])).text())',
    url,
  ]);

/** tools/start.mjs hands over when it began, so that the whole way from a fresh clone is measured. */
function reportFirstAnswer(out: (line: string) => void): void {
  const startedAt = Number(process.env['VSNAT_STARTED_AT'] ?? Number.NaN);
  if (Number.isNaN(startedAt)) return;
  out(`  from npm start to ${requests} answered requests: ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

function onLines(child: ChildProcess, take: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  });
}

const bold = (text: string): string =>
  process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? `\u001b[1m${text}\u001b[0m` : text;
