// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { Director } from '../../../src/director/director.js';
import type { Model } from '../../../src/model/index.js';
import { idOf, modelWith, web } from './models.js';

/** A director with room for two servers and two services. */
async function started(model: Model): Promise<{ director: Director; dataplane: FakeDataplane }> {
  const dataplane = new FakeDataplane({ limits: { serverSlots: 2, serviceSlots: 2 } });
  const director = await Director.start({ dataplane }, model);
  return { director, dataplane };
}

const counted = { connections: 7, inPackets: 70, inBytes: 700, outPackets: 71, outBytes: 701 };
const nothing = { connections: 0, inPackets: 0, inBytes: 0, outPackets: 0, outBytes: 0 };

describe('a slot that gets another owner', () => {
  it('shows nothing of what a server before had counted, and goes on from there', async () => {
    const { director, dataplane } = await started(modelWith(web('a b')));
    dataplane.setServer(0, counted);
    dataplane.setServer(1, { connections: 1 });
    const server = (letter: string): unknown =>
      director.services()[0]?.servers.find((it) => it.server === idOf(letter));
    expect(server('a')).toMatchObject(counted);
    await director.apply(modelWith(web('b c')));
    expect(server('c')).toMatchObject(nothing);
    expect(server('b')).toMatchObject({ connections: 1 });
    dataplane.setServer(0, { connections: 9, outBytes: 800, active: 2 });
    expect(server('c')).toMatchObject({ ...nothing, connections: 2, outBytes: 99, active: 2 });
  });

  it('shows nothing of what a service before had counted', async () => {
    const two = [web('a'), web('b', { name: 'two', listen: 'tcp://10.9.0.2:80' })];
    const { director, dataplane } = await started(modelWith(...two));
    dataplane.setService(0, { connections: 5, scheduleFailures: 3 });
    const three = web('b', { name: 'three', listen: 'tcp://10.9.0.3:80' });
    await director.apply(modelWith(...two.slice(1)));
    await director.apply(modelWith(...two.slice(1), three));
    const of = (name: string): unknown => director.services().find((it) => it.service === name);
    expect(of('three')).toMatchObject({ connections: 0, scheduleFailures: 0 });
    dataplane.setService(0, { connections: 6, scheduleFailures: 3 });
    expect(of('three')).toMatchObject({ connections: 1, scheduleFailures: 0 });
  });

  it('changes nothing for an owner that only was away', async () => {
    const { director, dataplane } = await started(modelWith(web('a b')));
    dataplane.setServer(0, counted);
    await director.apply(modelWith(web('b')));
    await director.apply(modelWith(web('a b')));
    expect(director.services()[0]?.servers[0]).toMatchObject(counted);
  });

  it('begins at nothing again for a former owner that finds it taken', async () => {
    const { director, dataplane } = await started(modelWith(web('a b')));
    dataplane.setServer(0, counted);
    await director.apply(modelWith(web('b c')));
    await director.apply(modelWith(web('b a')));
    expect(director.services()[0]?.servers[1]).toMatchObject(nothing);
  });
});
