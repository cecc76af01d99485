// SPDX-License-Identifier: Apache-2.0
/** Schedulers through the simulator: what the documentation says of peak-ewma and bounded-hash, with the addon's own dispatch. */
import { describe, expect, it } from 'vitest';

import { realServer, virtualService, type VirtualServiceOptions } from '../../src/model/index.js';
import { boundedHash } from '../../src/scheduler/bounded-hash.js';
import { peakEwma } from '../../src/scheduler/peak-ewma.js';
import { simulate, type Simulation, type SimulateOptions } from '../../src/simulator/simulate.js';
import { generateTrace, parseTrace, type TraceOptions } from '../../src/simulator/trace.js';

const names = [1, 2, 3, 4].map((last) => `10.0.0.${last}:8080`);
const trace = (options: Partial<TraceOptions> = {}) =>
  generateTrace({ connections: 4000, clients: 400, ...options });

function run(
  scheduler: Partial<VirtualServiceOptions>,
  options: SimulateOptions = {},
  of = trace(),
): Promise<Simulation> {
  const service = virtualService({ name: 'web', listen: 'tcp://192.0.2.1:80', servers: names, ...scheduler });
  return simulate(service, of, { settings: { flows: { capacity: 65_536 } }, ...options });
}

describe('a simulation', () => {
  it('is the same for the same seed, and another for another', async () => {
    const first = await run({ scheduler: 'twos' });
    expect(await run({ scheduler: 'twos' })).toEqual(first);
    expect(await run({ scheduler: 'twos' }, {}, trace({ seed: 2 }))).not.toEqual(first);
    expect(first).toMatchObject({ connections: 4000, refused: 0 });
  });

  it('shows that peak-ewma leaves a slow server nearly alone, where wlc gives it its share', async () => {
    const latencyMs = (server: string): number => (server === names[0] ? 200 : 5);
    const [wlc, ewma] = [
      await run({ scheduler: 'wlc' }, { latencyMs }),
      await run({ scheduler: peakEwma }, { latencyMs }),
    ];
    expect(wlc.servers[0]?.share).toBeGreaterThan(0.2);
    expect(ewma.servers[0]?.share).toBeLessThan(0.05);
    expect(ewma.meanHandshakeMs).toBeLessThan(wlc.meanHandshakeMs / 2);
  });

  it('shows that bounded-hash holds its bound where sh does not', async () => {
    const skewed = trace({ skew: 1.2, duration: 5 });
    const hashed = await run({ scheduler: 'mh' }, {}, skewed);
    const bounded = await run({ scheduler: boundedHash, schedulerOptions: { bound: 1.25 } }, {}, skewed);
    expect(hashed.worstLoad).toBeGreaterThan(1.5);
    expect(bounded.worstLoad).toBeLessThan(1.3); // 1.25, and the one connection that fills a server up
  });

  it('shows whom the removal of a server disturbs', async () => {
    const change = { at: 10, servers: names.slice(0, 3).map((name) => realServer(name)) };
    const even = trace({ skew: 0.3, duration: 0.1 });
    const [bounded, turns] = [
      await run({ scheduler: boundedHash, schedulerOptions: { bound: 4 } }, { change }, even),
      await run({ scheduler: 'rr' }, { change }, even),
    ];
    expect(bounded.disruption.clients).toBeGreaterThan(150);
    expect(bounded.disruption.moved / bounded.disruption.clients).toBeLessThan(0.05);
    expect(turns.disruption.moved / turns.disruption.clients).toBeGreaterThan(0.5);
  });
});

describe('the worst load', () => {
  const inTurn = (connections: number): Promise<Simulation> =>
    run({ scheduler: 'rr' }, {}, trace({ connections, rate: 1_000_000, duration: 1000, clients: 4 }));

  it('is unknown of few connections, where one more for a server would look like much', async () => {
    expect((await inTurn(99)).worstLoad).toBeNull();
    expect((await inTurn(100)).worstLoad).toBe(1); // 25 for each of four
  });
});

describe('a trace', () => {
  it('is read from lines, and refused by line', () => {
    expect(parseTrace('time,client,duration\n0,192.0.2.7,1\n# pause\n1.5,192.0.2.8,0.2\n')).toEqual([
      { at: 0, client: '192.0.2.7', duration: 1 },
      { at: 1.5, client: '192.0.2.8', duration: 0.2 },
    ]);
    expect(() => parseTrace('1,192.0.2.7,1\n0,192.0.2.7,1', 't.csv')).toThrow(
      't.csv:2: time must not be less than 1, got "0"',
    );
    expect(() => parseTrace('1,web,1', 't.csv')).toThrow(
      't.csv:1: client must be an IPv4 address, got "web"',
    );
    expect(() => parseTrace('1e15,192.0.2.7,1', 't.csv')).toThrow(
      't.csv:1: time must be at most 10000000000',
    );
    expect(() => parseTrace('1,192.0.2.7,Infinity', 't.csv')).toThrow(
      't.csv:1: duration must be 0..10000000000',
    );
    expect(() => parseTrace('1,192.0.2.7', 't.csv')).toThrow('t.csv:1: must have 3 cells, got 2');
  });
});
