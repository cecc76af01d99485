// SPDX-License-Identifier: Apache-2.0
/**
 * Contenders compared within rounds. One sample varies by a fifth or more with where the scheduler happened to put three
 * busy threads on the CPUs there are, and with the machine's other tenants; the quotient of two samples taken seconds
 * apart has the second part removed, and a confidence interval says how many rounds the first part still wants.
 */
import type { Sample } from './results.js';

export interface What {
  readonly load: string;
  readonly figure: string;
}

export interface Ratio {
  readonly of: string;
  readonly to: string;
  readonly rounds: number;
  /** Geometric mean of the rounds' quotients: what a/b says of a is what b/a says of b. */
  readonly mean: number;
  /** 95 % of intervals made like this hold the true mean; null with fewer than three rounds. */
  readonly interval: readonly [number, number] | null;
}

/** Student's t at 97.5 % for small samples (two-sided 95 %), by degrees of freedom from 2; later ones are near 1.96. */
const student = [4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228] as const;
const quantile = (freedom: number): number => student[freedom - 2] ?? 1.96 + 2.4 / freedom;

export function ratio(samples: readonly Sample[], what: What, of: string, to: string): Ratio | null {
  const valueOf = (contender: string): Map<number, number> =>
    new Map(
      samples
        .filter((sample) => sample.load === what.load && sample.figure === what.figure)
        .filter((sample) => sample.contender === contender)
        .flatMap(({ round, value }) => (value === null ? [] : [[round, value] as const])),
    );
  const others = valueOf(to);
  const logs = [...valueOf(of)].flatMap(([round, value]) => {
    const other = others.get(round);
    return other === undefined ? [] : [Math.log(value / other)];
  });
  if (logs.length === 0) return null;
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const spread = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
  const margin = quantile(logs.length - 1) * Math.sqrt(spread / logs.length);
  return {
    of,
    to,
    rounds: logs.length,
    mean: Math.exp(mean),
    interval: logs.length < 3 ? null : [Math.exp(mean - margin), Math.exp(mean + margin)],
  };
}

/** `0.97 (0.94–1.01)`, or what there is of it. */
export function ratioText({ mean, interval }: Ratio): string {
  const bounds = interval === null ? '' : ` (${interval.map((bound) => bound.toFixed(3)).join('–')})`;
  return mean.toFixed(3) + bounds;
}
