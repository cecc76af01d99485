// SPDX-License-Identifier: Apache-2.0
/**
 * npm run bench -- profile [--only NAME] [--load NAME] [--seconds 2] [--rounds 3]: where a packet's CPU time goes, in the
 * threads of the director, and how many system calls it costs. Needs perf (Debian: linux-perf); a virtual machine without
 * counters will do, the clock is sampled. A sample counts for the innermost frame that belongs to a stage: what a stage
 * calls is its own until the next stage begins.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { serve } from '../test/netns/support/load.js';
import { sweepLeftovers } from '../test/netns/support/namespace.js';
import { projectRoot } from '../test/netns/support/project-root.js';
import { Topology } from '../test/netns/support/topology.js';
import { realServer, type Contender } from './contenders/contender.js';
import { contenders } from './contenders/index.js';
import { loads } from './loads/index.js';
import type { Load, Site } from './loads/load.js';
import { stageShares, systemCalls } from './perf.js';
import { cpuSeconds } from './processes.js';
import { provenance } from './provenance.js';
import { writeNew } from './report/files.js';
import { profileTable, type ProfileResults, type ProfileSample } from './report/profile.js';
import { siteOf } from './session.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: ['floor, 1 queue', 'vsnat, 1 queue'] },
    load: { type: 'string', default: '64-byte UDP, 1,000 flows' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
  },
});
const seconds = Number(values.seconds);

interface Turn {
  readonly contender: Contender;
  readonly load: Load;
  readonly round: number;
}

/** Twice the load: once with its time taken, once with its system calls counted. */
async function profile(
  topology: Topology,
  site: Site,
  { contender, load, round }: Turn,
): Promise<ProfileSample> {
  const running = await contender.start(topology);
  try {
    const to = (service: Load['service']): string => running.to(service, load.family);
    await load.warmUp(site, to);
    let perUnit = NaN;
    const shares = await stageShares(running.processes, `${site.countFile}.perf`, async () => {
      const before = cpuSeconds(running.processes);
      const { work } = await load.run(site, to, seconds);
      perUnit = (cpuSeconds(running.processes) - before) / work;
    });
    let done = NaN;
    const calls = await systemCalls(running.processes, async () => {
      done = (await load.run(site, to, seconds)).work;
    });
    const stages = Object.fromEntries([...shares].map(([stage, share]) => [stage, share * perUnit]));
    return { round, contender: contender.name, perUnit, stages, systemCalls: calls / done };
  } finally {
    await running.stop();
  }
}

function write(results: ProfileResults): string {
  const name = `${results.date.slice(0, 16).replace(':', '')}-${results.commit}`;
  return path.relative(projectRoot, writeNew(path.join(projectRoot, 'bench/results/profile'), name, results));
}

const load = loads.find(({ name }) => name.includes(values.load));
if (load === undefined) throw new Error(`--load: must be a part of a name, got "${values.load}"`);
/** What the kernel does has no processes; how many offloads the floor does without is not the question here. */
const chosen = contenders.filter(({ name, kind }) => {
  return kind !== 'kernel' && values.only.some((part) => name.includes(part)) && !name.endsWith('no offload');
});
const head = provenance(['profile', ...process.argv.slice(2)]);
await sweepLeftovers();
const folder = await mkdtemp(path.join(tmpdir(), 'vsnat-profile-'));
const topology = await Topology.create({ servers: 1 });
const samples: ProfileSample[] = [];
try {
  const countFile = path.join(folder, 'count');
  const server = await serve(realServer(topology), countFile);
  const site = await siteOf(topology, countFile);
  for (let round = 1; round <= Number(values.rounds); round++)
    for (const contender of chosen) samples.push(await profile(topology, site, { contender, load, round }));
  await server.stop('SIGKILL');
} finally {
  await topology.remove();
  await rm(folder, { recursive: true });
}
const results: ProfileResults = {
  ...head,
  kind: 'profile',
  load: load.name,
  unit: load.perUnit ?? 'request',
  seconds,
  samples,
};
console.log(`\n${profileTable(results)}\n\nSamples: ${write(results)}`);
