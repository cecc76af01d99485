// SPDX-License-Identifier: Apache-2.0
/** What is asked of either way past the kernel's routing (docs/ways.md), in and out. */
import { expect, test } from 'vitest';
import { at, families, vip, type Family, type Lab } from './lab.js';

const bytes = 2 ** 26;

/** One count of the daemon's metrics: a name, and labels where it needs them. */
type Count = readonly [name: string, labels?: Readonly<Record<string, string>>];

export function useWay(lab: () => Lab, part: Count, whole: Count) {
  const requests = (count: number, family: Family = 'v4') =>
    lab().load('http', { to: at(vip[family], vip.http), mode: 'connect', requests: count, seconds: 20 });

  /** What share `part` had of `whole` meanwhile. */
  const shareWhile = async (work: () => Promise<unknown>): Promise<number> => {
    const numbers = async (): Promise<readonly [number, number]> => {
      const metrics = await lab().daemon.metrics();
      return [metrics.sum(...part), metrics.sum(...whole)];
    };
    const before = await numbers();
    await work();
    const after = await numbers();
    return (after[0] - before[0]) / (after[1] - before[1]);
  };

  return {
    requests,
    shareWhile,
    status: async (): Promise<string> => (await lab().daemon.installation.vsnat('status')).stdout,
    /** Packets that went this way. */
    packets: async (): Promise<number> => (await lab().daemon.metrics()).sum(...part),

    testsThatItCarriesNearlyEverything: (): void => {
      for (const family of families) {
        test(`carries nearly every ${family} packet, byte for byte, offloads included`, async () => {
          await requests(3, family);
          const share = await shareWhile(async () => {
            const to = at(vip[family], vip.stream);
            const result = await lab().load('stream', {
              to,
              bytes,
              streams: 2,
              direction: 'both',
              seconds: 60,
            });
            expect(result).toMatchObject({
              failed: 0,
              badBytes: 0,
              bytesUp: 2 * bytes,
              bytesDown: 2 * bytes,
            });
          });
          expect(share).toBeGreaterThan(0.95);
        }, 90_000);

        test(`every ${family} connection of a thousand succeeds`, async () => {
          expect(await requests(1000, family)).toMatchObject({ answered: 1000, failed: 0 });
        });
      }
    },
  };
}
