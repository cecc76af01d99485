// SPDX-License-Identifier: Apache-2.0
/**
 * npm run bench -- profile [--only NAME] [--load NAME] [--seconds 3]: where a packet's CPU time goes, in the threads of the
 * director. Needs perf (Debian: linux-perf); a virtual machine without counters will do, the clock is sampled. A sample
 * counts for the innermost frame that belongs to a stage: what a stage calls is its own until the next stage begins.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { serve } from '../test/netns/support/load.js';
import { sweepLeftovers } from '../test/netns/support/namespace.js';
import { Background, must } from '../test/netns/support/process.js';
import { Topology } from '../test/netns/support/topology.js';
import { realServer, type Contender } from './contenders/contender.js';
import { contenders } from './contenders/index.js';
import { loads } from './loads/index.js';
import type { Load } from './loads/load.js';
import { cpuSeconds } from './processes.js';
import { stageOf } from './report/stages.js';
import { siteOf } from './session.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: ['floor, 1 queue', 'vsnat, 1 queue'] },
    load: { type: 'string', default: '64-byte UDP, 1,000 flows' },
    seconds: { type: 'string', default: '3' },
  },
});

/** Call chains of `perf script`: a block per sample, a frame per line, the innermost first. */
const chainsOf = (script: string): string[][] =>
  script
    .split('\n\n')
    .map((block) => block.split('\n').flatMap((line) => /^\s+[0-9a-f]+ (\S+)/.exec(line)?.[1] ?? []))
    .filter((chain) => chain.length > 0);

async function profile(
  topology: Topology,
  countFile: string,
  contender: Contender,
  load: Load,
): Promise<void> {
  const site = await siteOf(topology, countFile);
  const running = await contender.start(topology);
  const data = `${countFile}.perf`;
  try {
    const to = (service: Load['service']): string => running.to(service, load.family);
    await load.warmUp(site, to);
    const pids = running.processes.join(',');
    const perf = new Background([
      'perf',
      'record',
      '-q',
      '-e',
      'cpu-clock',
      '-F',
      '4999',
      '-g',
      '-p',
      pids,
      '-o',
      data,
    ]);
    const before = cpuSeconds(running.processes);
    const { values: figures, work } = await load.run(site, to, Number(values.seconds));
    const perUnit = (cpuSeconds(running.processes) - before) / work;
    await perf.stop('SIGINT');
    const script = await must(['perf', 'script', '-i', data, '-F', 'ip,sym'], { timeoutMs: 120_000 });
    const chains = chainsOf(script);
    const counts = new Map<string, number>();
    for (const chain of chains) counts.set(stageOf(chain), (counts.get(stageOf(chain)) ?? 0) + 1);
    console.log(
      `\n${contender.name}, ${load.name}: ${Object.values(figures)[0]?.toFixed(0) ?? ''} ${load.figures[0]?.unit ?? ''}, ` +
        `${perUnit.toPrecision(3)} CPU s per ${load.perUnit ?? ''}, ${chains.length} samples\n`,
    );
    console.log('| stage | share | CPU s |\n| --- | --- | --- |');
    for (const [stage, count] of [...counts].toSorted(([, a], [, b]) => b - a)) {
      const share = count / chains.length;
      console.log(`| ${stage} | ${(share * 100).toFixed(1)} % | ${(share * perUnit).toPrecision(2)} |`);
    }
  } finally {
    await running.stop();
  }
}

await sweepLeftovers();
const folder = await mkdtemp(path.join(tmpdir(), 'vsnat-profile-'));
const topology = await Topology.create({ servers: 1 });
try {
  const countFile = path.join(folder, 'count');
  const server = await serve(realServer(topology), countFile);
  const load = loads.find(({ name }) => name.includes(values.load));
  if (load === undefined) throw new Error(`--load: must be a part of a name, got "${values.load}"`);
  for (const contender of contenders.filter(({ name }) => values.only.some((part) => name.includes(part))))
    await profile(topology, countFile, contender, load);
  await server.stop('SIGKILL');
} finally {
  await topology.remove();
  await rm(folder, { recursive: true });
}
