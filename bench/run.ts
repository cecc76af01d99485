// SPDX-License-Identifier: Apache-2.0
/**
 * npm run bench -- [OPTION]... (options.ts)
 *
 * Rounds are interleaved: each round runs every contender once, in an order that turns by one per round, so that a
 * slow minute of the machine falls on all of them alike. No round is started that would pass the time limit.
 */
import { serve } from '../test/netns/support/load.js';
import { sweepLeftovers } from '../test/netns/support/namespace.js';
import { Topology } from '../test/netns/support/topology.js';
import { contenders, missing, type Contender, type Service } from './contenders.js';
import { loads } from './loads.js';
import { benchHelp, benchOptions, BenchUsageError, type BenchOptions } from './options.js';
import { ratioLines } from './pairs.js';
import { table, writeResults, type Sample } from './report.js';

const yardstick = 'nftables DNAT';

const isChosen = (name: string, parts: readonly string[]): boolean =>
  parts.length === 0 || parts.some((part) => name.includes(part));

/** Not measured: a program that has just started still touches its memory for the first time, and a runtime still settles. */
const warmUpSeconds = 0.5;

const say = (text: string): void => console.error(text);

async function measure(
  topology: Topology,
  contender: Contender,
  service: Service,
  round: number,
  options: BenchOptions,
): Promise<Sample[]> {
  const wanted = loads.filter((load) => load.service === service && isChosen(load.name, options.loads));
  if (wanted.length === 0) return [];
  const sample = (index: number, outcome: Pick<Sample, 'value' | 'error'>): Sample => {
    const { name, unit } = wanted[index] ?? { name: '', unit: '' };
    return { round, contender: contender.name, load: name, unit, ...outcome };
  };
  const failed = (error: unknown) => ({
    value: null,
    error: error instanceof Error ? error.message : String(error),
  });
  const samples: Sample[] = [];
  try {
    const running = await contender.start(topology, service);
    try {
      for (const [index, load] of wanted.entries()) {
        await load.run(topology.client.namespace, running.to, warmUpSeconds).catch(failed);
        const value = await load.run(topology.client.namespace, running.to, options.seconds).catch(failed);
        if (typeof value !== 'number') say(`  ${contender.name}, ${load.name}: ${value.error}`);
        samples.push(sample(index, typeof value === 'number' ? { value } : value));
      }
    } finally {
      await running.stop();
    }
  } catch (error) {
    for (let index = samples.length; index < wanted.length; index++)
      samples.push(sample(index, failed(error)));
    say(`  ${contender.name}, ${service}: ${failed(error).error}`);
  }
  return samples;
}

async function bench(options: BenchOptions): Promise<number> {
  const { rounds, seconds, limitMs } = options;
  await sweepLeftovers();
  const wanted = contenders.filter(({ name }) => isChosen(name, options.contenders));
  const absent = await missing(wanted);
  const notes = [...absent].map(([name, sentence]) => `${name} not measured: ${sentence}`);
  notes.forEach(say);
  const running = wanted.filter(({ name }) => !absent.has(name));

  const samples: Sample[] = [];
  const topology = await Topology.create({ servers: 1 });
  const servers = await Promise.all(topology.servers.map((server) => serve(server)));
  const start = performance.now();
  try {
    let longest = 0;
    for (let round = 1; round <= rounds; round++) {
      const begun = performance.now();
      if (begun - start + longest > limitMs) {
        notes.push(`ended after ${round - 1} of ${rounds} rounds: out of time`);
        break;
      }
      say(`round ${round} of ${rounds}`);
      const turned = running.map((_, i) => running[(i + round - 1) % running.length]);
      for (const contender of turned) {
        if (contender === undefined) continue;
        for (const service of ['stream', 'http'] as const) {
          samples.push(...(await measure(topology, contender, service, round, options)));
        }
      }
      longest = Math.max(longest, performance.now() - begun);
    }
  } finally {
    for (const server of servers) await server.stop('SIGKILL');
    await topology.remove();
  }

  samples.sort((a, b) => order(a.contender) - order(b.contender) || a.round - b.round);
  const file = writeResults(samples, notes);
  console.log(table(samples, yardstick));
  console.log(
    `\nMedian (least–most) of ${rounds} rounds of ${seconds} s, and the median as a share of ${yardstick}.`,
  );
  const names = running.map(({ name }) => name);
  const lines = names
    .filter((name) => name.startsWith('vsnat'))
    .flatMap((of) => ratioLines(samples, of, names));
  if (lines.length > 0)
    console.log(`\nWithin rounds, geometric mean (95 % confidence):\n${lines.join('\n')}`);
  for (const note of notes) console.log(note);
  console.log(`Samples: ${file}`);
  return samples.every(({ value }) => value !== null) ? 0 : 1;
}

const order = (name: string): number => contenders.findIndex((contender) => contender.name === name);

async function main(): Promise<number> {
  const names = { contenders: contenders.map(({ name }) => name), loads: loads.map(({ name }) => name) };
  try {
    const options = benchOptions(process.argv.slice(2), names);
    if (options !== 'help') return await bench(options);
    console.log(benchHelp(names));
    return 0;
  } catch (error) {
    if (!(error instanceof BenchUsageError)) throw error;
    say(error.message);
    return 2;
  }
}

process.exitCode = await main();
