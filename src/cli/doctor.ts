// SPDX-License-Identifier: Apache-2.0
/** `vsnat doctor`: asks the daemon if there is one, reads the file if one is named, and looks at the host. */
import { access } from 'node:fs/promises';

import type { FlowsAnswer, ServicesAnswer, StatusAnswer } from '../admin/api.js';
import {
  connectForReal,
  diagnose,
  survey,
  type Asked,
  type DaemonFacts,
  type Examined,
  type Wanted,
} from '../doctor/index.js';
import { exitCodes, VsnatError } from '../errors.js';
import { realSystem } from '../host/index.js';
import { checkSources, formatEndpoint, formatListen, type Listen, type Model } from '../model/index.js';
import type { Io } from './io.js';
import { loadForThisHost } from './machine.js';
import { doctorLines } from './show-doctor.js';

export interface DoctorOptions {
  readonly config?: string;
  /** Also what is well, and what could not be looked at. */
  readonly all: boolean;
  readonly json: boolean;
  readonly socket: string;
  readonly ask: <T>(path: string) => Promise<T>;
}

export async function doctor(options: DoctorOptions, io: Io): Promise<number> {
  const facts = await survey(await gather(options), realSystem, connectForReal);
  const examined = diagnose(facts);
  const count = (level: string): number =>
    examined.flatMap(({ findings }) => findings).filter((one) => one.level === level).length;
  const source = facts.wanted?.source ?? null;
  if (options.json)
    io.json({
      ok: count('wrong') === 0,
      source,
      wrong: count('wrong'),
      doubtful: count('doubtful'),
      checks: examined,
    });
  else doctorLines(examined, { all: options.all, source }).forEach((line) => io.out(line));
  return hasWrong(examined) ? exitCodes.failed : exitCodes.ok;
}

const hasWrong = (examined: readonly Examined[]): boolean =>
  examined.some(({ findings }) => findings.some(({ level }) => level === 'wrong'));

async function gather({ config, socket, ask }: DoctorOptions): Promise<Asked> {
  const { daemon: asked, trouble } = await askForFacts(ask);
  const daemonTrouble = trouble === null ? null : { socket, message: trouble, exists: await isThere(socket) };
  const file = config ?? asked?.status.configFile;
  // A file that was named must be good; the daemon's own may be unreadable to us, or be newer than what runs.
  const model =
    file === undefined
      ? null
      : await loadForThisHost(file).then(
          (loaded) => loaded.model,
          (error: unknown) => {
            if (config !== undefined) throw error;
            return null;
          },
        );
  const daemon = asked && { ...asked, clients: withoutChecks(asked.clients, model) };
  if (config !== undefined && model !== null)
    return {
      wanted: wantedOf(model, config),
      daemon,
      daemonTrouble,
      hostModel: daemon === null ? null : model,
    };
  if (daemon === null) return { wanted: null, daemon, daemonTrouble, hostModel: null };
  const isRunning = model !== null && placesOf(model) === reportedPlaces(daemon);
  return {
    wanted: isRunning ? wantedOf(model, 'the daemon') : wantedFrom(daemon),
    daemon,
    daemonTrouble,
    hostModel: isRunning ? model : null,
  };
}

/** Health checks through a VIP are clients on this host, which no route leads to. */
function withoutChecks(clients: readonly string[], model: Model | null): readonly string[] {
  const sources = new Set<string>(checkSources(model?.services ?? []));
  return clients.filter((address) => !sources.has(address));
}

/** Whatever keeps a daemon from answering is a fact here, not a failure. */
async function askForFacts(
  ask: DoctorOptions['ask'],
): Promise<{ readonly daemon: DaemonFacts | null; readonly trouble: string | null }> {
  try {
    const status = await ask<StatusAnswer>('/v1/status');
    const { director } = status;
    if (director === null)
      return { daemon: null, trouble: `the daemon (pid ${status.pid}) is ${status.state}` };
    const { services } = await ask<ServicesAnswer>('/v1/services');
    const { rows } = await ask<FlowsAnswer>('/v1/flows?limit=200');
    const clients = [...new Set(rows.map(({ clientAddress }) => clientAddress))].slice(0, 64);
    return { daemon: { status: { ...status, director }, services, clients }, trouble: null };
  } catch (error) {
    if (error instanceof VsnatError) return { daemon: null, trouble: error.message };
    throw error;
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const wantedOf = (model: Model, source: string): Wanted => ({
  source,
  device: model.tun.name,
  deviceMtu: model.tun.mtu,
  services: model.services.map(({ name, listen, servers }) => ({
    name,
    listen,
    servers: servers.map((server) => ({
      id: formatEndpoint(server),
      address: server.address,
      port: server.port,
      routed: server.routed,
    })),
  })),
});

/** Without the file nobody knows which servers are vouched for: all of them are taken to be. */
const wantedFrom = ({ status, services }: DaemonFacts): Wanted => ({
  source: 'the daemon',
  device: status.director.device.name,
  deviceMtu: null,
  services: services.map(({ service, listen, servers }) => ({
    name: service,
    listen,
    servers: servers.map(({ server }) => ({ id: server, ...endpointOf(server), routed: true })),
  })),
});

function endpointOf(id: string): { readonly address: string; readonly port: number } {
  const [, v6, v4, port] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(id) ?? [];
  return { address: v6 ?? v4 ?? id, port: Number(port ?? 0) };
}

/** All that matters to the host's plan, as one text. */
const placesOf = ({ services }: Model): string =>
  services
    .map(({ listen, servers }) =>
      [...listen.map(formatListen), ...servers.map(formatEndpoint)].sort().join(' '),
    )
    .sort()
    .join('\n');

const reportedPlaces = ({ services }: DaemonFacts): string =>
  services
    .map(({ listen, servers }) =>
      [...listen.map((one) => formatListen(one as Listen)), ...servers.map(({ server }) => server)]
        .sort()
        .join(' '),
    )
    .sort()
    .join('\n');
