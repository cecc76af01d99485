// SPDX-License-Identifier: Apache-2.0
/**
 * The daemon, from a configuration file to packets moving and back. The order of the start is its safety:
 *
 *   read and check the file → check the host → hold the admin socket → open the device → publish → start threads →
 *   set up the host's routes → serve metrics → say "ready"
 *
 * The admin socket comes before anything is touched, because holding it is what keeps a second daemon out. Routes come
 * after the first snapshot, so that no packet meets an empty table. Whatever fails, all that was done is
 * undone, last first; a stop is the same unwinding. The parts that touch the machine are arguments, for tests.
 */
import { openAdmin, type AdminServer } from '../admin/server.js';
import type { AdminActions, DirectorStatus } from '../admin/api.js';
import type { Dataplane, DeviceFacts, TunOptions } from '../dataplane/dataplane.js';
import type { LoopDelays } from '../dataplane/loop-delays.js';
import { describeChange } from '../director/diff.js';
import type { MemoryWatch } from '../director/defence.js';
import { describeEgress, describeIngress, type LookAtWays } from '../director/ways.js';
import type { MakeMonitor } from '../director/caretaker.js';
import { Director } from '../director/director.js';
import { tunOptions } from '../director/director-options.js';
import type { HostPlumbing } from '../director/director-parts.js';
import { firstMistakes, Reloader, type ReloadOutcome } from '../director/reload.js';
import { VsnatError } from '../errors.js';
import { realClock } from '../health/clock.js';
import { openMetrics } from '../metrics/server.js';
import { detailText, MetricsRegistry, type RegistryOptions } from '../metrics/registry.js';
import { RunTime, type Precondition } from '../director/run-time.js';
import { formatEndpoint, type Model, type RealServer } from '../model/index.js';
import type { Hear, HostLog } from '../host/index.js';
import { applyFile, brief, changer, clipped, reloadAnswerer, startTicking } from './at-run-time.js';
import { adopted, directorStatus, takeSample, type Remembering } from './facts.js';
import type { Logger } from './log.js';
import { narrate } from './narrate.js';
import type { Notifier } from './notify.js';
import { UndoStack } from './undo.js';

export interface DaemonParts<D extends Dataplane> {
  /** Reads and validates the file, against this host's subnets; `running` on a reload. */
  readonly load: (note: (sentence: string) => void, running?: Model) => Promise<Model>;
  /** Ends what ran scheduler modules that this model, which runs now, has no use for. */
  readonly retainModules?: (model: Model) => Promise<void>;
  readonly preflight: (model: Model, log: HostLog) => Promise<void>;
  readonly openDataplane: (options: TunOptions) => D;
  readonly startDataplane: (dataplane: D) => void;
  readonly prepareHost: (model: Model, facts: DeviceFacts, log: HostLog) => Promise<HostPlumbing>;
  /** Of these servers, those in no subnet of this host. */
  readonly unreachable: (servers: readonly RealServer[]) => Promise<readonly string[]>;
  /** What the defences look at in their automatic modes. */
  readonly memory: MemoryWatch;
  /** What keeps packets of the device from leaving as frames. */
  readonly ways: (device: string) => ReturnType<LookAtWays>;
  /** Tells when to find it out again. */
  readonly hearOfWays?: Hear;
  /** Begins to measure the event loop; what it gives is asked at each scrape. */
  readonly measureLoop?: () => (() => LoopDelays) | null;
  /** Makes what checks the servers; nobody does without it. */
  readonly health?: (log: Logger) => MakeMonitor;
  readonly createLogger: (settings: Model['log']) => Logger;
  readonly notifier: (onFailure: (error: unknown) => void) => Notifier;
  readonly addonAbi: number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface DaemonOptions {
  readonly configFile: string;
  readonly version: string;
  /** Instead of the configuration's admin.socket. */
  readonly socket?: string;
  /** Gives up the start, at the next step. */
  readonly signal?: AbortSignal;
  /** Called once when the dataplane has failed for good; the daemon must then be stopped. */
  readonly onBroken?: (reason: string) => void;
}

/** How often the dataplane is asked whether it still works: its threads cannot call JavaScript. */
const watchMs = 500;

export interface Daemon {
  readonly log: Logger;
  /** Where the metrics are served; differs from the configuration only for port 0. */
  readonly metricsPort: number | null;
  reload(): Promise<ReloadOutcome>;
  /** Undoes everything. Idempotent, never rejects. */
  stop(): Promise<void>;
}

export async function startDaemon<D extends Dataplane>(
  options: DaemonOptions,
  parts: DaemonParts<D>,
): Promise<Daemon> {
  const startedAt = parts.now();
  const notes: string[] = [];
  const model = await parts.load((note) => notes.push(note));
  const log = parts.createLogger(model.log);
  let tellOfHost: (text: string) => void = () => undefined;
  const hostLog: HostLog = {
    info: (message) => log.info(message),
    warn: (message) => {
      log.warn(message);
      tellOfHost(message);
    },
  };
  const onFailure = (error: unknown): void => log.error({ err: error }, 'a request failed');
  const undos = new UndoStack();
  const unwind = (): Promise<void> =>
    undos.unwind((what, error) => log.error({ err: error }, `${what} could not be taken down`));
  const notify = parts.notifier((error) => log.warn({ err: error }, 'the service manager could not be told'));

  try {
    for (const note of notes) log.warn(note);
    await parts.preflight(model, hostLog);
    options.signal?.throwIfAborted();

    const socket = options.socket ?? model.admin.socket;
    const identity = {
      pid: process.pid,
      version: options.version,
      configFile: options.configFile,
      startedAt,
    };
    const admin = await openAdmin({
      socket,
      settings: model.admin,
      identity,
      onFailure,
      warn: (sentence) => log.warn(sentence),
    });
    undos.push('the admin socket', () => admin.close());
    options.signal?.throwIfAborted();

    const director = await Director.start(
      {
        dataplane: parts.openDataplane(tunOptions(model)),
        start: parts.startDataplane,
        prepareHost: (running, facts) => parts.prepareHost(running, facts, hostLog),
        memory: parts.memory,
        ways: () => parts.ways(model.tun.name),
        ...(parts.hearOfWays !== undefined && { hearOfWays: parts.hearOfWays }),
        ...(parts.health !== undefined && { health: parts.health(log) }),
      },
      model,
    );
    tellOfHost = (text) => void director.events.record({ kind: 'host', text });
    undos.push('the log of events', narrate(director.events, log, realClock));
    undos.push('the director', () => director.close());
    options.signal?.throwIfAborted();

    const runTime = new RunTime(director);
    undos.push('the rates', startTicking(runTime));
    let useSecrets = (): void => undefined;
    const reloader = new Reloader({
      load: async () => {
        const wanted = await parts.load((note) => log.warn(note), director.model);
        useSecrets = await admin.renew();
        return wanted;
      },
      apply: async (wanted, precondition) => {
        const changes = await applyFile(wanted, runTime, log, precondition);
        useSecrets();
        await parts.retainModules?.(director.model);
        return changes;
      },
      now: parts.now,
    });
    const build = { version: options.version, node: process.versions.node, addonAbi: parts.addonAbi };
    const metricsPort = await serveMetrics(director, { reloader, runTime }, build, admin, undos, onFailure, {
      onDetail: (change) => log.warn(change, detailText(change)),
      loopDelays: parts.measureLoop?.() ?? null,
    });
    options.signal?.throwIfAborted();

    let stopping: Promise<void> | undefined;
    const isStopping = (): boolean => stopping !== undefined;
    const reloads = new Set<Promise<ReloadOutcome>>();
    const reload = async (by: string, precondition?: Precondition): Promise<ReloadOutcome> => {
      if (isStopping()) return { result: 'failed', error: stoppingError() };
      notify.reloading();
      const running = reloader.reload(precondition);
      reloads.add(running);
      const outcome = await running;
      reloads.delete(running);
      log.level = director.model.log.level;
      // "ready" after "stopping" would tell the service manager, and whoever reads the log, the opposite of what is.
      if (isStopping()) return outcome;
      logOutcome(log, director, outcome, by);
      notify.ready();
      return outcome;
    };
    attach(admin, director, reloader, {
      runTime,
      reload: reloadAnswerer(runTime, () => parts.load(() => undefined, director.model), reload),
      change: changer(director, runTime, parts.unreachable, log),
    });
    const watch = watchDataplane(director, log, options.onBroken);
    undos.push('the watch on the dataplane', () => clearInterval(watch));
    notify.ready();
    log.info(readyFields(director, socket, metricsPort), 'ready');

    const stop = (): Promise<void> => {
      stopping ??= (async () => {
        notify.stopping();
        admin.detach();
        log.info('stopping');
        await Promise.all(reloads); // what it is in the middle of changing must be there to be undone
        await unwind();
        log.info('stopped');
      })();
      return stopping;
    };
    return { log, metricsPort, reload: () => reload('sighup'), stop };
  } catch (error) {
    await unwind();
    throw error;
  }
}

const stoppingError = (): VsnatError =>
  new VsnatError(
    'VSNAT_UNREACHABLE',
    'reload: must come while the daemon runs, got one while it stops; start it again',
  );

async function serveMetrics(
  director: Director,
  remembering: Remembering,
  build: { readonly version: string; readonly node: string; readonly addonAbi: number },
  admin: AdminServer,
  undos: UndoStack,
  onFailure: (error: unknown) => void,
  told: Pick<RegistryOptions, 'onDetail' | 'loopDelays'>,
): Promise<number | null> {
  const { listen } = director.model.metrics;
  if (listen === null) return null;
  const server = await openMetrics({
    listen,
    registry: new MetricsRegistry(() => takeSample(director, remembering, build, admin.facts), told),
    notReady: () =>
      adopted(director) ? director.hostTrouble() : 'a queue has not yet adopted the newest configuration',
    onFailure,
  });
  undos.push('the metrics server', () => server.close());
  return server.port;
}

interface Doing extends Pick<AdminActions, 'reload' | 'change'> {
  readonly runTime: RunTime;
}

function attach(
  admin: AdminServer,
  director: Director,
  reloader: Reloader,
  { reload, runTime, change }: Doing,
): void {
  admin.attach({
    directorStatus: (): DirectorStatus => directorStatus(director, reloader),
    services: () => director.listing(),
    connections: (cursor, limit) => director.connections(cursor, limit),
    explain: (tuple) => director.explain(tuple),
    reload,
    table: () => runTime.table(),
    numbers: () => runTime.numbers(),
    settled: () => runTime.settled(),
    endConnections: (selection, ending) => director.endConnections(selection, ending),
    health: () => director.checked(),
    events: () => director.events,
    change,
    zero: (service) => runTime.zero(service),
  });
}

function watchDataplane(
  director: Director,
  log: Logger,
  onBroken: DaemonOptions['onBroken'],
): NodeJS.Timeout {
  const watch = setInterval(() => {
    const reason = director.failure();
    if (reason === null) return;
    clearInterval(watch);
    log.fatal({ reason }, 'packets can no longer be moved');
    director.events.record({ kind: 'device', text: `packets can no longer be moved: ${reason}` });
    onBroken?.(reason);
  }, watchMs);
  return watch;
}

function logOutcome(log: Logger, director: Director, outcome: ReloadOutcome, by: string): void {
  if (outcome.result === 'outdated') {
    log.info(outcome.error.message);
  } else if ('error' in outcome) {
    log.error(
      { by, problems: firstMistakes(outcome.error.message, 1000).split('\n') },
      `reload ${outcome.result}; the old configuration runs on`,
    );
    const detail = { by, result: outcome.result };
    director.events.record({
      kind: 'reload',
      text: `reload ${outcome.result}: ${firstMistakes(outcome.error.message, 3)}`,
      detail,
    });
  } else {
    const { result, changes } = outcome;
    log.info({ by, ...(changes.length > 0 && { changes: clipped(changes) }) }, `reload ${result}`);
    const what = changes.length === 0 ? '' : `: ${brief(changes)}`;
    director.events.record({
      kind: 'reload',
      text: `reload ${result}${what}`,
      detail: { by, result, changes: changes.slice(0, 100).map(describeChange) },
    });
  }
}

function readyFields(director: Director, socket: string, metricsPort: number | null): object {
  const { facts, model } = director;
  const { listen } = model.metrics;
  return {
    device: facts.name,
    queues: facts.queues,
    steering: facts.steering,
    ingress: director.ingress === null ? 'route' : describeIngress(director.ingress),
    egress: director.egress === null ? 'route' : describeEgress(director.egress),
    services: model.services.length,
    admin: socket,
    metrics: listen === null ? 'off' : formatEndpoint({ ...listen, port: metricsPort ?? listen.port }),
  };
}
