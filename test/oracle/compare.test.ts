// SPDX-License-Identifier: Apache-2.0
/**
 * vsnat beside the kernel: every scenario played against the real daemon, held against what a real IPVS did
 * (traces/). Needs no virtual machine. `node tools/oracle.mjs` tells the same with the differences in front.
 */
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { sweepLeftovers } from '../netns/support/namespace.js';
import { suite } from '../netns/support/suite.js';
import { entriesOf, judge, playAll, readTrace, Sum, type Entry, type Outcome } from './compare.js';
import { topics } from './topics.js';
import { VsnatDirector } from './vsnat-world.js';

suite('vsnat does what IPVS does', () => {
  const entries = entriesOf(topics);
  const results = new Map(
    entries.map((entry): [Entry, PromiseWithResolvers<Outcome>] => [entry, promiseWithResolvers()]),
  );
  const sum = new Sum();
  const directors: VsnatDirector[] = [];
  let all: Promise<void> = Promise.resolve();

  beforeAll(async () => {
    await sweepLeftovers();
    directors.push(...(await VsnatDirector.startSeveral()));
    // The tests wait for their own scenario; this one runs on behind them.
    all = playAll(
      directors.map(({ seats }) => seats),
      entries,
      (entry, outcome) => results.get(entry)?.resolve(outcome),
    );
  }, 240_000);

  afterAll(async () => {
    await all;
    await Promise.all(directors.map((director) => director.close()));
    console.log(String(sum));
  }, 120_000);

  for (const topic of topics) {
    const { scenarios } = readTrace(topic);
    for (const entry of entries.filter((one) => one.topic === topic)) {
      const { scenario } = entry;
      test(`${topic.name}: ${scenario.name}`, async () => {
        onTestFailed(() =>
          console.error(`the daemons' logs:\n${directors.map(({ log }) => log).join('\n')}`),
        );
        const played = await results.get(entry)?.promise;
        const recorded = scenarios.find(({ name }) => name === scenario.name);
        if (played === undefined || 'broken' in played) {
          sum.add('unequal', null);
          throw new Error('the scenario could not be played', { cause: played?.broken });
        }
        const verdict = judge(scenario, recorded, played.lines);
        sum.add(verdict, played);
        if (verdict === 'unequal') expect(played.lines.join('\n')).toBe(recorded?.vsnat.join('\n'));
        expect(verdict).toBe(scenario.differs === undefined ? 'equal' : 'differs as listed');
      }, 300_000);
    }
  }
});

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function promiseWithResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((found) => {
    resolve = found;
  });
  return { promise, resolve };
}
