// SPDX-License-Identifier: Apache-2.0
/**
 * vsnat beside the kernel: every scenario played against the real daemon, held against what a real IPVS did
 * (traces/). Needs no virtual machine. `node tools/oracle.mjs` tells the same with the differences in front.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { sweepLeftovers } from '../netns/support/namespace.js';
import { suite } from '../netns/support/suite.js';
import { playScenario } from './play.js';
import { topics } from './topics.js';
import { parseTrace } from './trace-file.js';
import { VsnatWorld } from './vsnat-world.js';

suite('vsnat does what IPVS does', () => {
  let world: VsnatWorld | undefined;
  beforeAll(async () => {
    await sweepLeftovers();
    world = await VsnatWorld.start();
  }, 240_000);
  afterAll(async () => {
    await world?.close();
  }, 60_000);

  let scenarioNumber = 0;
  for (const topic of topics) {
    const file = path.join(import.meta.dirname, 'traces', `${topic.name}.trace`);
    const { scenarios } = parseTrace(readFileSync(file, 'utf8'));
    for (const scenario of topic.scenarios) {
      const number = (scenarioNumber += 1);
      test(`${topic.name}: ${scenario.name}`, async () => {
        if (world === undefined) throw new Error('there is no world to play in');
        const { log } = world;
        onTestFailed(() => console.error(`the daemon's log:\n${log}`));
        const lines = await playScenario(world, scenario, number);
        const recorded = scenarios.find(({ name }) => name === scenario.name);
        expect(lines.join('\n')).toBe(recorded?.vsnat.join('\n'));
      }, 60_000);
    }
  }
});
