// SPDX-License-Identifier: Apache-2.0
/**
 * How long one request takes to its answer, on one connection, the next when the last is answered. "Idle" is with
 * nothing else on the machine; "beside bulk" while a bulk stream goes through the same director as fast as it can.
 */
import { startLoad } from '../../test/netns/support/load.js';
import type { Family } from '../../test/netns/support/lab.js';
import { families, measured, warmUpSeconds, type Load, type Outcome, type Site, type To } from './load.js';

const percentiles = ['p50', 'p99', 'p999'] as const;

/** For the bulk stream to be at full speed before, and still after. */
const headStartSeconds = 0.2;

export interface LatencyOptions {
  readonly beside: 'idle' | 'beside bulk';
  readonly family?: Family;
}

export function latency({ beside, family = 'v4' }: LatencyOptions): Load {
  const ask = async (site: Site, to: To, seconds: number): Promise<Outcome> => {
    const { microseconds } = await measured(site, 'http', { to: to('http'), mode: 'keepalive', seconds });
    return {
      values: Object.fromEntries(percentiles.map((name) => [name, microseconds[name]])),
      work: 0,
    };
  };
  const run = async (site: Site, to: To, seconds: number): Promise<Outcome> => {
    if (beside === 'idle') return ask(site, to, seconds);
    const stream = { to: to('stream'), seconds: seconds + 2 * headStartSeconds, verify: 'no' };
    const bulk = await startLoad(site.client, 'stream', stream);
    try {
      await measured(site, 'http', { to: to('http'), mode: 'keepalive', seconds: headStartSeconds });
      return await ask(site, to, seconds);
    } finally {
      await bulk.result();
    }
  };
  return {
    name: `${families[family]}latency, ${beside}`,
    service: 'http',
    family,
    flows: 1,
    isMain: beside === 'idle' && family === 'v4',
    figures: percentiles.map((name) => ({ name, unit: 'µs', better: 'less' })),
    perUnit: null,
    warmUp: async (site, to) => {
      await ask(site, to, warmUpSeconds);
    },
    run,
  };
}
