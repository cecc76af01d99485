// SPDX-License-Identifier: Apache-2.0
/** `vsnat simulate`: the service of a file under one scheduler after the other, with the same clients. Gives the exit code. */
import { readFile } from 'node:fs/promises';

import { loadConfigWithModules } from '../config/index.js';
import { exitCodes, VsnatError } from '../errors.js';
import { formatListen, schedulerNameOf, serverId, type VirtualService } from '../model/index.js';
import { SchedulerModules } from '../modules/scheduler-modules.js';
import { isCapture } from '../packet/capture-file.js';
import { isSchedulerName, schedulerNames, shippedNames, shippedProgram } from '../scheduler/index.js';
import { traceOfCapture } from '../simulator/capture-trace.js';
import { simulate, type SimulateOptions, type Simulation } from '../simulator/simulate.js';
import { generateTrace, parseTrace, type TraceConnection } from '../simulator/trace.js';
import type { Io } from './io.js';
import { table } from './table.js';

export interface SimulateCommand {
  readonly config: string;
  readonly service: string;
  readonly scheduler?: readonly string[];
  readonly trace?: string;
  readonly seed: string;
  readonly remove?: string;
  readonly slow?: string;
}

export async function runSimulate(command: SimulateCommand, json: boolean, io: Io): Promise<number> {
  const modules = new SchedulerModules();
  try {
    const { model } = await loadConfigWithModules(command.config, modules);
    const service = model.services.find(({ name }) => name === command.service);
    if (service === undefined)
      throw usage(`--service: must be a service of ${command.config}, got "${command.service}"`);
    if (service.servers.some(({ address }) => address.includes(':')))
      throw usage(`--service: must have IPv4 servers, got ${command.service}; simulations speak IPv4`);
    const { trace, notes } = await traceOf(command, service);
    const options = optionsOf(command, service, trace);
    const results: { readonly scheduler: string; readonly result: Simulation }[] = [];
    for (const candidate of await candidatesOf(command, service, modules)) {
      const result = await simulate(candidate, trace, { ...options, settings: model });
      results.push({ scheduler: schedulerNameOf(candidate), result });
    }
    if (json) io.json({ service: service.name, notes, simulations: results });
    else io.out([...notes, ...linesOf(service, results)].join('\n'));
    return exitCodes.ok;
  } finally {
    await modules.close();
  }
}

/** The service as it is configured, and with each scheduler that was asked for. */
async function candidatesOf(
  { scheduler: names = [] }: SimulateCommand,
  service: VirtualService,
  modules: SchedulerModules,
): Promise<VirtualService[]> {
  const others = names.map(async (name): Promise<VirtualService> => {
    const scheduler = await schedulerOf(name, modules);
    return { ...service, scheduler, flags: [] };
  });
  return [service, ...(await Promise.all(others))];
}

async function schedulerOf(name: string, modules: SchedulerModules): Promise<VirtualService['scheduler']> {
  const scheduler = isSchedulerName(name) ? name : shippedProgram(name, {});
  if (scheduler !== undefined) return scheduler;
  if (!/[./]/.test(name)) {
    const known = [...schedulerNames, ...shippedNames].join(', ');
    throw usage(`--scheduler: must be one of ${known} or a module like ./mine.js, got "${name}"`);
  }
  const found = await modules.load(name, process.cwd());
  if (!found.ok) throw usage(`--scheduler: must ${found.must}, got "${name}"; ${found.hint ?? ''}`);
  return { reference: name, options: {}, ...found.value };
}

interface ReadTrace {
  readonly trace: readonly TraceConnection[];
  /** What of a capture is not in it. */
  readonly notes: readonly string[];
}

async function traceOf(
  { trace: file, seed }: SimulateCommand,
  { listen }: VirtualService,
): Promise<ReadTrace> {
  if (file === undefined) {
    if (!/^\d+$/.test(seed)) throw usage(`--seed: must be a whole number, got "${seed}"`);
    return { trace: generateTrace({ seed: Number(seed) }), notes: [] };
  }
  const bytes = await readFile(file).catch((error: unknown) => {
    throw usage(`--trace: must be a file that can be read, got "${file}": ${String(error)}`);
  });
  if (!isCapture(bytes)) {
    const written = parseTrace(bytes.toString(), file);
    if (written.length > 0) return { trace: written, notes: [] };
    throw usage(
      `--trace: must have connections, got none in ${file}; write lines of time,client,duration as 1.5,192.0.2.7,0.2`,
    );
  }
  const { trace, leftOut, inTheMiddle } = traceOfCapture(bytes, file, listen);
  if (trace.length === 0)
    throw usage(
      `--trace: must have connections to ${listen.map(formatListen).join(', ')}, got none in ${file}; capture where clients ask, before the address is translated`,
    );
  const notes = [
    `${file}: ${trace.length} connections; ${leftOut} packets left out, ${inTheMiddle} connections had begun before it`,
  ];
  return { trace, notes };
}

function optionsOf(
  { remove, slow }: SimulateCommand,
  { servers }: VirtualService,
  trace: readonly TraceConnection[],
): SimulateOptions {
  const known = (option: string, id: string): string => {
    if (servers.some((server) => serverId(server) === id)) return id;
    throw usage(`${option}: must be one of ${servers.map(serverId).join(', ')}, got "${id}"`);
  };
  const removed = remove === undefined ? undefined : known('--remove', remove);
  const [slowServer = '', ms = ''] = slow?.split('=') ?? [];
  if (slow !== undefined && !(Number(ms) >= 1))
    throw usage(`--slow: must be a server and milliseconds, got "${slow}"`);
  const late = slow === undefined ? undefined : known('--slow', slowServer);
  return {
    ...(removed !== undefined && {
      change: {
        at: (trace.at(-1)?.at ?? 0) / 2,
        servers: servers.filter((server) => serverId(server) !== removed),
      },
    }),
    ...(late !== undefined && { latencyMs: (server: string) => (server === late ? Number(ms) : 1) }),
  };
}

function linesOf(
  { servers }: VirtualService,
  results: readonly { readonly scheduler: string; readonly result: Simulation }[],
): string[] {
  const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
  return table(
    [{ title: '' }, ...results.map(({ scheduler }) => ({ title: scheduler, align: 'right' as const }))],
    [
      ...servers.map((server, index) => [
        `share of ${serverId(server)}`,
        ...results.map(({ result }) => percent(result.servers[index]?.share ?? 0)),
      ]),
      [
        'worst load, of its fair share',
        ...results.map(({ result }) => (result.worstLoad === null ? '-' : percent(result.worstLoad))),
      ],
      [
        'clients moved by the change',
        ...results.map(({ result }) => `${result.disruption.moved} of ${result.disruption.clients}`),
      ],
      ['mean handshake', ...results.map(({ result }) => `${result.meanHandshakeMs.toFixed(1)} ms`)],
      ['refused', ...results.map(({ result }) => String(result.refused))],
    ],
  ).concat(results.flatMap(({ result }) => result.warnings.map((text) => `warning: ${text}`)));
}

const usage = (message: string): VsnatError => new VsnatError('VSNAT_USAGE', message);
