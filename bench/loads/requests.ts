// SPDX-License-Identifier: Apache-2.0
/** Requests over HTTP/1.1: a connection for each, or on connections that stay. */
import type { Family } from '../../test/netns/support/lab.js';
import { families, measured, warmUpSeconds, type Load, type Outcome, type Site, type To } from './load.js';

const connections = 32;

export interface RequestOptions {
  readonly mode: 'connect' | 'keepalive';
  readonly family?: Family;
}

export function requests({ mode, family = 'v4' }: RequestOptions): Load {
  const run = async (site: Site, to: To, seconds: number): Promise<Outcome> => {
    const result = await measured(site, 'http', { to: to('http'), mode, connections, seconds });
    return { values: { rate: result.perSecond }, work: result.answered / 1000 };
  };
  const [what, unit] =
    mode === 'connect' ? ['connect, request, close', '1/s'] : ['HTTP keep-alive', 'requests/s'];
  return {
    name: families[family] + what,
    service: 'http',
    family,
    flows: connections,
    isMain: family === 'v4',
    figures: [{ name: 'rate', unit, better: 'more' }],
    perUnit: mode === 'connect' ? '1,000 connections' : '1,000 requests',
    warmUp: async (site, to) => {
      await run(site, to, warmUpSeconds);
    },
    run,
  };
}
