// SPDX-License-Identifier: Apache-2.0
/** A scheduler of one's own, exchanged for another one while connections go on. Run by test/addon/examples.test.ts. */
import { Director, virtualService, type CustomScheduler, type MemoryDirector } from '../src/index.js';

/** All new connections go to the server with the fewest bytes sent lately. */
export const leastBytes: CustomScheduler = {
  name: 'least-bytes',
  replanEvery: 1000,
  plan(servers, loads) {
    const order = servers.flatMap(({ weight }, index) => (weight > 0 ? [index] : []));
    const rateOf = (index: number): number => loads[index]?.outBytesPerSecond ?? 0;
    return { kind: 'first', overflow: false, order: order.toSorted((a, b) => rateOf(a) - rateOf(b)) };
  },
};

/** Two connections for the first server, one for each of the others. */
export const firstTwice: CustomScheduler = {
  name: 'first-twice',
  plan: (servers) => ({ kind: 'cycle', lead: [], loop: [0, ...servers.map((_, index) => index)] }),
};

const serviceWith = (scheduler: CustomScheduler) =>
  virtualService({
    name: 'web',
    listen: 'tcp://192.0.2.10:80',
    scheduler,
    servers: ['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080'],
  });

/** A director in memory; over a TUN device it is `await Director.tun(...)`, and the rest is the same. */
export async function openDirector(scheduler: CustomScheduler): Promise<MemoryDirector> {
  const director = Director.memory('services: []');
  await exchange(director, scheduler);
  return director;
}

/** One swap: connections that live stay where they are, new ones are the new scheduler's. */
export async function exchange(director: MemoryDirector, scheduler: CustomScheduler): Promise<void> {
  await director.apply({ ...director.model, services: [serviceWith(scheduler)] });
}
