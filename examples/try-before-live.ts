// SPDX-License-Identifier: Apache-2.0
/**
 * A scheduler that has to prove itself before it goes live: the clients of a trace are sent through it and through the one
 * that runs, in memory; shares, worst load and disruption are printed; and only when they are good it is swapped in, under
 * connections that live. (A memory director here; with `await Director.tun(...)` the rest is the same.)
 *
 *     node examples/try-before-live.ts [TRACE [MODULE]]
 *
 * TRACE has lines of time,client,duration in seconds (left out: trace.csv beside this file), MODULE is one that a
 * `scheduler:` of vsnat.yaml could name (left out: steer-clear.ts).
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import {
  Director,
  formatEndpoint,
  parseTrace,
  readPacket,
  simulate,
  tcpPacket,
  virtualService,
  type CustomScheduler,
  type Simulation,
  type VirtualService,
  type VirtualServiceOptions,
} from 'vsnat';

import steerClear from './steer-clear.ts';

const servers = ['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080', '10.0.0.4:8080'];
const web = (scheduler: NonNullable<VirtualServiceOptions['scheduler']>): VirtualService =>
  virtualService({ name: 'web', listen: 'tcp://192.0.2.10:80', servers, scheduler });

const [file = path.join(import.meta.dirname, 'trace.csv'), module] = process.argv.slice(2);
const trace = parseTrace(await readFile(file, 'utf8'), file);
const scheduler = module === undefined ? steerClear : await schedulerOf(module);
const running = web('wlc');
const candidate = web(scheduler);

async function schedulerOf(module: string): Promise<CustomScheduler> {
  const { default: scheduler } = (await import(pathToFileURL(module).href)) as { default: CustomScheduler };
  return scheduler;
}

/** One server is slow, and in the middle another one is taken out. */
const play = (service: VirtualService): Promise<Simulation> =>
  simulate(service, trace, {
    latencyMs: (server) => (server === servers[0] ? 120 : 4),
    change: { at: (trace.at(-1)?.at ?? 0) / 2, servers: service.servers.slice(0, -1) },
  });

function show(name: string, { servers: fared, ...result }: Simulation): void {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  console.log(name);
  for (const { server, share } of fared) console.log(`  ${server} got ${percent(share)}`);
  const worst = result.worstLoad === null ? 'unknown, of so few connections' : percent(result.worstLoad);
  console.log(`  worst load ${worst}, of a fair share; ${result.refused} refused`);
  console.log(`  disruption ${result.disruption.moved} of ${result.disruption.clients} clients`);
  console.log(`  mean handshake ${result.meanHandshakeMs.toFixed(1)} ms`);
  for (const warning of result.warnings) console.log(`  warning: ${warning}`);
}

const before = await play(running);
const after = await play(candidate);
show('wlc', before);
show(scheduler.name, after);

/** What it takes to go live. */
const faults = [
  after.refused > before.refused && 'it refuses clients that were served',
  (after.worstLoad ?? 0) > 2 && 'a server gets more than twice its share',
  after.meanHandshakeMs > before.meanHandshakeMs && 'clients wait longer',
  ...after.warnings,
].filter((fault) => fault !== false);

const director = Director.memory({ services: [running] });

/** Where the connection of this client goes. */
function serverOf(client: string): string {
  const packet = tcpPacket(client, '192.0.2.10:80');
  const [output] = director.process({ packet, nowMs: 0 }).outputs;
  const facts = output && readPacket(output.packet);
  return facts ? formatEndpoint(facts.destination) : 'nowhere';
}

const clients = Array.from({ length: 100 }, (_, n) => `198.51.100.${n}:40000`);
const places = clients.map(serverOf);
if (faults.length > 0) {
  console.log(`wlc stays: ${faults.join('; ')}`);
} else {
  await director.apply({ services: [candidate] });
  const moved = clients.filter((client, n) => serverOf(client) !== places[n]);
  console.log(
    `live: ${director.services()[0]?.scheduler}; ${moved.length} of ${clients.length} connections moved`,
  );
}
await director.close();
