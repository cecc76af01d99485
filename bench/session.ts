// SPDX-License-Identifier: Apache-2.0
/**
 * A run: rounds are interleaved, each round runs every contender once, in an order that turns by one per round, so that
 * a slow minute of the machine falls on all of them alike. No round is started that would pass the time limit.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { serve } from '../test/netns/support/load.js';
import { sweepLeftovers } from '../test/netns/support/namespace.js';
import { Topology } from '../test/netns/support/topology.js';
import {
  missing,
  realServer,
  type Contender,
  type QueueCounts,
  type Running,
} from './contenders/contender.js';
import type { Load, Outcome, Site } from './loads/load.js';
import { cpuSeconds, machineTime, memoryMiB, type MachineTime } from './processes.js';
import { directorCpu, machineCpu, memory, ownQueue, systemCalls } from './report/groups.js';
import type { FigureOfLoad, Sample } from './report/results.js';

export interface Plan {
  readonly contenders: readonly Contender[];
  readonly loads: readonly Load[];
  readonly rounds: number;
  readonly seconds: number;
  readonly limitMs: number;
}

export interface Session {
  readonly contenders: readonly Contender[];
  readonly samples: readonly Sample[];
  readonly notes: readonly string[];
  readonly tookSeconds: number;
  readonly stolenShare: number;
}

type Say = (text: string) => void;

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A load's own figures, and those that are taken of the director and the machine meanwhile. */
export const figuresOf = (loads: readonly Load[]): FigureOfLoad[] => [
  ...loads.flatMap(({ name, figures, perUnit }) => [
    ...figures.map((figure) => ({
      load: name,
      figure: figure.name,
      unit: figure.unit,
      better: figure.better,
    })),
    ...(perUnit === null
      ? []
      : [directorCpu, machineCpu].map((figure) => {
          return { load: name, figure, unit: `CPU s per ${perUnit}`, better: 'less' } as const;
        })),
    { load: name, figure: systemCalls, unit: 'per packet', better: 'less' } as const,
    { load: name, figure: ownQueue, unit: '%', better: 'more' } as const,
  ]),
  { load: memory, figure: memory, unit: 'MiB', better: 'less' },
];

/** What the queues say of the packets in between. One queue has nobody else's packets. */
export function countedBetween(before: QueueCounts, after: QueueCounts): Readonly<Record<string, number>> {
  const packets = after.packets - before.packets;
  if (packets <= 0) return {};
  const foreign = (after.foreign - before.foreign) / packets;
  return {
    [systemCalls]: (after.systemCalls - before.systemCalls) / packets,
    ...(after.queues > 1 && { [ownQueue]: 100 * (1 - foreign) }),
  };
}

/** One contender's part of one round. */
class Turn {
  readonly samples: Sample[] = [];
  readonly #contender: Contender;
  readonly #round: number;
  readonly #say: Say;

  constructor(contender: Contender, round: number, say: Say) {
    this.#contender = contender;
    this.#round = round;
    this.#say = say;
  }

  async run(topology: Topology, site: Site, loads: readonly Load[], seconds: number): Promise<void> {
    const wanted = loads.filter((load) => this.#contender.declines(load) === null);
    if (wanted.length === 0) return;
    try {
      const running = await this.#contender.start(topology);
      try {
        for (const load of wanted) await this.#measure(running, site, load, seconds);
        if (running.processes.length > 0) this.#add(memory, { [memory]: memoryMiB(running.processes) });
      } finally {
        await running.stop();
      }
    } catch (error) {
      // What it did before it failed is not worth having either: its counters did not add up, or it left something.
      this.samples.length = 0;
      for (const load of wanted) this.#fail(load, error);
    }
  }

  async #measure(running: Running, site: Site, load: Load, seconds: number): Promise<void> {
    const to = (service: Load['service']): string => running.to(service, load.family);
    try {
      await load.warmUp(site, to);
      const countsBefore = await running.counts?.();
      const before = { director: cpuSeconds(running.processes), machine: machineTime() };
      const { values, work } = await load.run(site, to, seconds);
      const director = cpuSeconds(running.processes) - before.director;
      const machine = machineTime().busy - before.machine.busy;
      const countsAfter = await running.counts?.();
      this.#add(load.name, values);
      if (countsBefore && countsAfter) this.#add(load.name, countedBetween(countsBefore, countsAfter));
      if (work === 0) return;
      if (running.processes.length > 0) this.#add(load.name, { [directorCpu]: director / work });
      this.#add(load.name, { [machineCpu]: machine / work });
    } catch (error) {
      this.#fail(load, error);
    }
  }

  #add(load: string, values: Outcome['values']): void {
    for (const [figure, value] of Object.entries(values))
      this.samples.push(this.#sample(load, figure, value));
  }

  #fail({ name, figures }: Load, error: unknown): void {
    this.#say(`  ${this.#contender.name}, ${name}: ${reason(error)}`);
    for (const figure of figures)
      this.samples.push({ ...this.#sample(name, figure.name, null), error: reason(error) });
  }

  #sample(load: string, figure: string, value: number | null): Sample {
    return { round: this.#round, contender: this.#contender.name, load, figure, value };
  }
}

export async function siteOf(topology: Topology, countFile: string): Promise<Site> {
  const { director, client, clientDevice } = topology;
  const links = await director.namespace.must(['ip', '-j', 'link', 'show', clientDevice]);
  const [link] = JSON.parse(links) as { readonly address: string }[];
  return { client: client.namespace, device: 'up0', nextHop: link?.address ?? '', countFile };
}

function declined(contenders: readonly Contender[], loads: readonly Load[]): string[] {
  return contenders.flatMap((contender) => {
    const sentences = loads.flatMap((load) => contender.declines(load) ?? []);
    return [...new Set(sentences)].map((sentence) => `${contender.name}: ${sentence}`);
  });
}

export async function measureAll(plan: Plan, say: Say): Promise<Session> {
  const { loads, rounds, seconds, limitMs } = plan;
  await sweepLeftovers();
  const absent = await missing(plan.contenders);
  const contenders = plan.contenders.filter(({ name }) => !absent.has(name));
  const notes = [
    ...[...absent].map(([name, sentence]) => `${name} not measured: ${sentence}`),
    ...declined(contenders, loads),
  ];
  notes.forEach(say);

  const samples: Sample[] = [];
  const begun = performance.now();
  const machineBefore = machineTime();
  const folder = await mkdtemp(path.join(tmpdir(), 'vsnat-bench-'));
  const topology = await Topology.create({ servers: 1 });
  try {
    const countFile = path.join(folder, 'count');
    const server = await serve(realServer(topology), countFile);
    try {
      const site = await siteOf(topology, countFile);
      let longest = 0;
      for (let round = 1; round <= rounds; round++) {
        const start = performance.now();
        if (start - begun + longest > limitMs) {
          notes.push(`ended after ${round - 1} of ${rounds} rounds: out of time`);
          break;
        }
        say(`round ${round} of ${rounds}`);
        for (let i = 0; i < contenders.length; i++) {
          const contender = contenders[(i + round - 1) % contenders.length];
          if (contender === undefined) continue;
          const turn = new Turn(contender, round, say);
          await turn.run(topology, site, loads, seconds);
          samples.push(...turn.samples);
        }
        longest = Math.max(longest, performance.now() - start);
      }
    } finally {
      await server.stop('SIGKILL');
    }
  } finally {
    await topology.remove();
    await rm(folder, { recursive: true });
  }
  const order = (name: string): number => contenders.findIndex((contender) => contender.name === name);
  samples.sort((a, b) => order(a.contender) - order(b.contender) || a.round - b.round);
  return {
    contenders,
    samples,
    notes,
    tookSeconds: (performance.now() - begun) / 1000,
    stolenShare: stolenShare(machineBefore, machineTime()),
  };
}

function stolenShare(before: MachineTime, after: MachineTime): number {
  const stolen = after.stolen - before.stolen;
  const busy = after.busy - before.busy;
  return stolen + busy === 0 ? 0 : stolen / (stolen + busy);
}
