// SPDX-License-Identifier: Apache-2.0
/**
 * Rates as the kernel estimates them (ip_vs_est.c, Linux 6.12): every two seconds the average moves a quarter of the
 * way to the rate of the last period, so it looks back some eight seconds. In fixed point, because `--rate` shows the
 * rounding: 1 connection a second reads 0, 0, 1, and one alone never shows.
 *
 * Fractions are of 2^10 for connections and packets, of 2^5 for bytes. Plain arithmetic stands for the kernel's
 * shifts: its 64-bit integers do not fit JavaScript's 32-bit ones, doubles hold them exactly.
 */
import type { Flow } from './table.js';

export const estimatorPeriodMs = 2_000;

/** Averages in fixed point, by the same names as what they are averages of. */
export type Averages = Flow;

const scales: Readonly<Record<keyof Flow, number>> = {
  connections: 1024,
  inPackets: 1024,
  outPackets: 1024,
  inBytes: 32,
  outBytes: 32,
};

/** `counted` is what came in the two seconds since the step before. */
export function nextAverage(name: keyof Flow, average: number, counted: number): number {
  const rate = counted * (scales[name] / 2);
  return average + Math.floor((rate - average) / 4);
}

export const nextAverages = (averages: Averages, counted: Flow): Averages =>
  map((name) => nextAverage(name, averages[name], counted[name]));

/** Per second, halves rounded down. */
export const ratesOf = (averages: Averages): Flow =>
  map((name) => Math.floor((averages[name] + scales[name] / 2 - 1) / scales[name]));

const map = (make: (name: keyof Flow) => number): Flow => ({
  connections: make('connections'),
  inPackets: make('inPackets'),
  outPackets: make('outPackets'),
  inBytes: make('inBytes'),
  outBytes: make('outBytes'),
});
