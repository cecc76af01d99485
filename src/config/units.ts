// SPDX-License-Identifier: Apache-2.0
/** Durations ("300s", "5m", "250ms") and sizes ("256k", "1M") as people write them. A bare number is in the base unit. */
import { good, mistake, type Parsed } from '../model/parsed.js';

const millisecondsOf: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** In milliseconds. A number without a unit is seconds. */
export function parseDuration(value: string | number): Parsed<number> {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(String(value));
  if (match === null) return mistake('be a duration', 'write 250ms, 300s, 5m, 2h or a number of seconds');
  const milliseconds = Number(match[1]) * (millisecondsOf[match[2] ?? 's'] ?? 1000);
  return good(Math.round(milliseconds));
}

/** The largest unit that it is a whole number of. */
export function formatDuration(milliseconds: number): string {
  const [unit = 'ms', length = 1] =
    Object.entries(millisecondsOf).findLast(([, it]) => milliseconds % it === 0 && milliseconds > 0) ?? [];
  return `${milliseconds / length}${unit}`;
}

const multiplierOf: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Binary multiples: k or Ki is 1024, as table sizes are powers of two anyway. */
export function parseSize(value: string | number): Parsed<number> {
  const match = /^(\d+(?:\.\d+)?)(?:([kmg])i?)?$/i.exec(String(value));
  const size = match === null ? NaN : Number(match[1]) * (multiplierOf[match[2]?.toLowerCase() ?? ''] ?? 1);
  return Number.isSafeInteger(size) ? good(size) : mistake('be a whole number', 'write 262144, 256k or 1M');
}
