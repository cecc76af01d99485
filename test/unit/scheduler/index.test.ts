// SPDX-License-Identifier: Apache-2.0
/** The list of schedulers, and what each says of no servers at all. */
import { expect, test } from 'vitest';
import { schedulerFor, schedulerNames } from '../../../src/scheduler/index.js';
import { pick } from '../../../src/scheduler/simulate.js';
import { address, anyClient, idle, letters } from './support.js';

test("the kernel's fourteen schedulers are there, each under its own name", () => {
  expect([...schedulerNames].sort()).toEqual(
    'dh fo lblc lblcr lc mh nq ovf rr sed sh twos wlc wrr'.split(' '),
  );
  for (const name of schedulerNames) expect(schedulerFor(name).name).toBe(name);
});

test.each(schedulerNames)('%s picks none of no servers, and none of drained ones', (name) => {
  const occasion = { destination: address('192.0.2.10') };
  for (const servers of [[], letters({ A: 0, B: 0 })]) {
    const plan = schedulerFor(name).plan(servers);
    expect(pick(plan, servers.map(idle), anyClient, 0, occasion).server).toBeNull();
  }
});
