// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat demo`: VS/NAT on one machine, with real namespaces, real servers, the real daemon and real requests. It shows
 * what happened and checks it; a claim that does not hold is said plainly and makes the exit code 1. Whatever
 * ends the demo, nothing stays: children are ended by pid, namespaces removed by name, files with their folder.
 */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { VsnatError } from '../errors.js';
import { configFile, Crew, root, socket } from './crew.js';
import { connectionsByServer, findings, type Measured } from './findings.js';
import { releaseLock, takeLock } from './lock.js';
import { waitFor, type Namespace } from './namespaces.js';
import { ensurePrograms } from './packages.js';
import { drawCommands, drawFindings, drawShares, drawTopology, pickMetrics } from './picture.js';
import { buildTopology, metricsUrl, removeTopology } from './topology.js';

export interface DemoOptions {
  /** Show and end, instead of staying until Ctrl-C. */
  readonly once?: boolean;
  readonly out?: (line: string) => void;
}

/** A multiple of the weights' sum, so that the shares are whole numbers. */
const requests = 90;
const logWithinMs = 2000;

const vsnat = join(root, 'bin/vsnat');

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

class Demo {
  readonly #out: (line: string) => void;
  readonly #signal: AbortSignal;
  readonly #crew: Crew;

  constructor(out: (line: string) => void, signal: AbortSignal) {
    this.#out = out;
    this.#signal = signal;
    this.#crew = new Crew(signal);
  }

  /** Builds everything, sends the requests, shows what came of it. True when every claim holds. */
  async show(): Promise<boolean> {
    const out = this.#out;
    const programs = await ensurePrograms(out);
    const net = await this.#step('five network namespaces, cabled', buildTopology);
    const servers = await this.#step('three real servers', () => this.#crew.startServers(net));
    await this.#step('the director', () => this.#crew.startDaemon(net.director));
    const capture = programs.has('tcpdump')
      ? await this.#step("a capture on the client's wire", () => this.#crew.startCapture(net.client))
      : null;
    const { answers, firstAt } = await this.#step(`${requests} requests, each over a new connection`, () =>
      this.#crew.sendRequests(net.client, requests),
    );
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
    const allHolds = this.#present(measured, connections, metrics);
    reportFirstAnswer(firstAt, out);
    return allHolds;
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
      this.#crew.daemon?.once('exit', (status) => {
        if (this.#signal.aborted) return;
        out(`The director ended by itself with status ${status ?? 'unknown'}.`);
        resolve(1);
      });
    });
  }

  end(): Promise<void> {
    return this.#crew.end();
  }

  async #step<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const started = performance.now();
    const result = await work();
    this.#signal.throwIfAborted();
    this.#out(`  ${what.padEnd(48)} ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return result;
  }
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
function reportFirstAnswer(firstAt: number, out: (line: string) => void): void {
  const startedAt = Number(process.env['VSNAT_STARTED_AT'] ?? Number.NaN);
  if (Number.isNaN(startedAt)) return;
  out('');
  out(`From npm start to the first answered request: ${((firstAt - startedAt) / 1000).toFixed(1)} s`);
}

const bold = (text: string): string =>
  process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? `\u001b[1m${text}\u001b[0m` : text;
