// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nextAverages, ratesOf } from '../../../src/ipvsadm/estimator.js';
import { noFlow, type Flow } from '../../../src/ipvsadm/table.js';

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/ipvs/vectors.json'), 'utf8'),
) as { readonly estimator: Readonly<Record<string, readonly number[]>> };

/** What is shown after each of `steps` periods of two seconds in which `counted(step)` came. */
function series(name: keyof Flow, steps: number, counted: (step: number) => number): number[] {
  let averages = noFlow;
  return Array.from({ length: steps }, (_, step) => {
    averages = nextAverages(averages, { ...noFlow, [name]: counted(step) });
    return ratesOf(averages)[name];
  });
}

describe('the estimator', () => {
  it.each([
    ['cps_constant_100_per_s', 'connections', () => 200],
    ['cps_burst_1000_once', 'connections', (step: number) => (step === 0 ? 1000 : 0)],
    ['bps_constant_1MB_per_s', 'inBytes', () => 2_000_000],
    ['cps_1_per_s', 'connections', () => 2],
    ['cps_one_conn_then_idle', 'connections', (step: number) => (step === 0 ? 1 : 0)],
  ] as const)("gives the kernel's series %s", (vector, name, counted) => {
    const expected = vectors.estimator[vector] ?? [];
    expect(expected.length).toBeGreaterThan(5);
    expect(series(name, expected.length, counted)).toEqual(expected);
  });

  it("is the kernel's shifts in 64-bit integers, whatever comes", () => {
    const kernel = (averages: bigint, counted: number, shift: bigint): bigint =>
      averages + (((BigInt(counted) << shift) - averages) >> 2n);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2_000_000_000 }), { maxLength: 40 }), (counts) => {
        let [packets, bytes] = [0n, 0n];
        let averages = noFlow;
        for (const counted of counts) {
          packets = kernel(packets, counted, 9n);
          bytes = kernel(bytes, counted, 4n);
          averages = nextAverages(averages, { ...noFlow, inPackets: counted, inBytes: counted });
        }
        const rates = ratesOf(averages);
        expect(rates.inPackets).toBe(Number((packets + 511n) >> 10n));
        expect(rates.inBytes).toBe(Number((bytes + 15n) >> 5n));
      }),
    );
  });
});
