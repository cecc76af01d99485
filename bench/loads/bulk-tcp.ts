// SPDX-License-Identifier: Apache-2.0
/** Payload from the real server to the client, in as many streams; both ends agree on how many bytes it was. */
import type { Family } from '../../test/netns/support/lab.js';
import { families, measured, warmUpSeconds, type Load, type Outcome, type Site, type To } from './load.js';

export interface BulkTcpOptions {
  readonly streams: number;
  readonly family?: Family;
  readonly isMain?: boolean;
}

export function bulkTcp({ streams, family = 'v4', isMain = false }: BulkTcpOptions): Load {
  /** `verify: no`: regenerating the stream costs CPU the path would use; the tests have verified every byte already. */
  const stream = async (site: Site, to: To, seconds: number): Promise<Outcome> => {
    const result = await measured(site, 'stream', { to: to('stream'), streams, seconds, verify: 'no' });
    return { values: { rate: result.gbitPerSecond }, work: result.bytesDown / 1e9 };
  };
  return {
    name: `${families[family]}bulk TCP, ${streams} stream${streams === 1 ? '' : 's'}`,
    service: 'stream',
    family,
    flows: streams,
    isMain,
    figures: [{ name: 'rate', unit: 'Gbit/s', better: 'more' }],
    perUnit: 'GB',
    warmUp: async (site, to) => {
      await stream(site, to, warmUpSeconds);
    },
    run: stream,
  };
}
