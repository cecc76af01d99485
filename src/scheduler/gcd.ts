// SPDX-License-Identifier: Apache-2.0
/** Weights of 50 and 100 mean 1 and 2: tables are built from weights over their greatest common divisor. */

/** 1 when no weight is above 0. */
export const commonDivisor = (weights: readonly number[]): number => weights.reduce(gcd, 0) || 1;

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
