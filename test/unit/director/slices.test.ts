// SPDX-License-Identifier: Apache-2.0
/** A change of many services is worked out in slices, and published in one piece. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { Director } from '../../../src/director/director.js';
import { describeChange } from '../../../src/director/diff.js';
import { Reconciler } from '../../../src/director/reconciler.js';
import { realServer, type Model, type VirtualServiceOptions } from '../../../src/model/index.js';
import { idOf, modelWith, web } from './models.js';
import { check, HandClock, PlayedMonitor } from './played.js';

const count = 3_000;

/** `web` with servers a and b, and many more. */
const manyServices = (weight: number): Model =>
  modelWith(
    web(`a:${weight} b:${weight}`, { health: [check] }),
    ...Array.from({ length: count }, (_, index): VirtualServiceOptions => {
      const [high, low] = [index >> 8, index & 255];
      return {
        name: `service-${index}`,
        listen: `tcp://10.8.${high}.${low}:80`,
        servers: [realServer(`10.3.${high}.${low}:80`, { weight })],
      };
    }),
  );

async function running() {
  const dataplane = new FakeDataplane({ limits: { serverSlots: 16_384, serviceSlots: 4_096 } });
  const clock = new HandClock();
  let monitor: PlayedMonitor | undefined;
  const director = await Director.start(
    { dataplane, clock, health: (onChange) => (monitor = new PlayedMonitor(onChange)) },
    manyServices(1),
  );
  if (monitor === undefined) throw new Error('nobody checks');
  return { dataplane, director, monitor };
}

/** Does `meanwhile` in every turn that others have while `work` goes on; how many it were. */
async function turnsDuring(work: Promise<unknown>, meanwhile: (turn: number) => void): Promise<number> {
  const over = new AbortController();
  let turns = 0;
  const end = (): void => over.abort();
  void work.then(end, end);
  for (;;) {
    await setImmediate();
    if (over.signal.aborted) return turns;
    meanwhile((turns += 1));
  }
}

describe('a change of many services', () => {
  it('gives others turns, who see the old configuration until the new one is published whole', async () => {
    const { dataplane, director } = await running();
    const before = director.model;
    const work = director.apply(manyServices(2));
    const turns = await turnsDuring(work, () => {
      if (dataplane.updates.length > 0) return;
      expect(director.model).toBe(before);
      expect(director.services()[7]?.servers[0]?.weight).toBe(1);
    });
    expect(turns).toBeGreaterThan(3);
    expect(dataplane.updates.map(({ services }) => services.length)).toEqual([count + 1]);
    expect(director.model.services.every(({ servers }) => servers[0]?.weight === 2)).toBe(true);
    await director.close();
  });

  it('takes up afterwards what checks have said meanwhile', async () => {
    const { dataplane, director, monitor } = await running();
    const work = director.apply(manyServices(2));
    await turnsDuring(work, (turn) => {
      if (turn === 1) monitor.say('a', 'down');
    });
    const weights = director.services()[0]?.servers.map(({ standing }) => standing.effectiveWeight);
    expect(weights).toEqual([0, 2]);
    expect(dataplane.updates[0]?.services).toHaveLength(count + 1);
    expect(director.health()).toMatchObject([{ server: idOf('a'), verdict: 'down' }]);
    await director.close();
  });

  it('does so also when the change is refused', async () => {
    const { dataplane, director, monitor } = await running();
    const before = director.model;
    const work = director.apply(manyServices(2));
    await turnsDuring(work, (turn) => {
      if (turn === 1) monitor.say('a', 'down');
      if (dataplane.updates.length === 0) dataplane.failNext = new Error('no memory');
    });
    await expect(work).rejects.toThrow('no memory');
    expect(director.model).toBe(before);
    const weights = director.services()[0]?.servers.map(({ standing }) => standing.effectiveWeight);
    expect(weights).toEqual([0, 1]);
    await director.close();
  });

  /** Another change comes in after so many steps; undefined when there are not so many before it is published. */
  function changeAfter(steps: number, wanted: Model) {
    const dataplane = new FakeDataplane({ limits: { serverSlots: 256, serviceSlots: 16 } });
    const reconciler = new Reconciler(dataplane);
    reconciler.begin(modelWith(web('a b')));
    const work = reconciler.applying(wanted);
    for (let step = 0; step < steps; step++) if (work.next().done === true) return undefined;
    if (dataplane.updates.length > 0) return undefined;
    reconciler.apply(modelWith(web('a b'), web('c', { name: 'new', listen: 'tcp://10.9.0.9:80' })));
    for (;;) {
      const { done, value } = work.next();
      if (done === true) return { dataplane, reconciler, changes: value.map(describeChange) };
    }
  }

  it.each([
    ['that changes something', 'a:2 b:2'],
    ['that changed nothing', 'a b'],
  ])('%s is worked out again when something else was published before its last step', (_, servers) => {
    const wanted = modelWith(web(servers));
    let steps = 1;
    for (let it = changeAfter(steps, wanted); it !== undefined; it = changeAfter((steps += 1), wanted)) {
      const { dataplane, reconciler, changes } = it;
      expect(reconciler.model.services.map(({ name }) => name)).toEqual(['web']);
      expect(dataplane.updates.at(-1)?.removed).toHaveLength(1);
      expect(changes).toContain('- service new');
    }
    expect(steps).toBeGreaterThan(1);
  });
});
