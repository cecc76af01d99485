// SPDX-License-Identifier: Apache-2.0
/** What clients do: connections by their begin, client and length. Read from a file, or drawn from a seed. */
import { VsnatError } from '../errors.js';
import { parseAddress } from '../model/address.js';

/** One connection of a client. */
export interface TraceConnection {
  /** Seconds from the begin of the trace; never decreasing. */
  readonly at: number;
  /** IPv4. */
  readonly client: string;
  /** Seconds. */
  readonly duration: number;
}

/** How generateTrace() draws. */
export interface TraceOptions {
  readonly connections: number;
  /** Connections a second, on average: a Poisson process. */
  readonly rate: number;
  readonly clients: number;
  /** How unequal clients are: the n-th asks 1/n^skew as often as the first (Zipf). 0: all alike. */
  readonly skew: number;
  /** Seconds, on average; exponentially distributed. */
  readonly duration: number;
  readonly seed: number;
}

export const defaultTrace: TraceOptions = {
  connections: 10_000,
  rate: 200,
  clients: 1000,
  skew: 1,
  duration: 2,
  seed: 1,
};

/** A trace drawn at random: the same one for the same options. */
export function generateTrace(options: Partial<TraceOptions> = {}): readonly TraceConnection[] {
  const { connections, rate, clients, skew, duration, seed } = { ...defaultTrace, ...options };
  const random = mulberry32(seed);
  const exponential = (mean: number): number => -Math.log(1 - random()) * mean;
  const shares = Array.from({ length: clients }, (_, n) => 1 / (n + 1) ** skew);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const upTo = shares.map(
    (
      (sum) => (share: number) =>
        (sum += share / total)
    )(0),
  );
  let at = 0;
  return Array.from({ length: connections }, () => {
    at += exponential(1 / rate);
    const drawn = random();
    const found = upTo.findIndex((bound) => drawn < bound);
    return { at, client: clientAddress(found < 0 ? clients - 1 : found), duration: exponential(duration) };
  });
}

/** 198.18.0.0/15, which is for benchmarks (RFC 2544). */
const clientAddress = (index: number): string =>
  `198.${18 + ((index >> 16) & 1)}.${(index >> 8) & 255}.${index & 255}`;

/** Seconds: some 300 years, so that Unix time will do. */
const longest = 1e10;

/** Lines of `time,client,duration` in seconds; a first line of words, empty lines and those that begin with # are passed over. */
export function parseTrace(text: string, file = 'trace'): readonly TraceConnection[] {
  const trace: TraceConnection[] = [];
  let last = 0;
  for (const [index, line] of text.split('\n').entries()) {
    const cells = line.split(',').map((cell) => cell.trim());
    if (line.trim() === '' || line.startsWith('#') || (trace.length === 0 && /^[a-z]/i.test(line))) continue;
    const [time = '', client = '', duration = ''] = cells;
    const at = Number(time);
    const wrong = (what: string): VsnatError =>
      new VsnatError(
        'VSNAT_USAGE',
        `${file}:${index + 1}: ${what}; write time,client,duration as 1.5,192.0.2.7,0.2`,
      );
    if (cells.length !== 3) throw wrong(`must have 3 cells, got ${cells.length}`);
    if (time === '' || !(at >= last)) throw wrong(`time must not be less than ${last}, got "${time}"`);
    if (at > longest) throw wrong(`time must be at most ${longest}, got "${time}"`);
    const address = parseAddress(client);
    if (!address.ok || client.includes(':')) throw wrong(`client must be an IPv4 address, got "${client}"`);
    if (duration === '' || !(Number(duration) >= 0 && Number(duration) <= longest))
      throw wrong(`duration must be 0..${longest}, got "${duration}"`);
    trace.push({ at, client, duration: Number(duration) });
    last = at;
  }
  return trace;
}

/** A small generator that can be repeated (mulberry32); for traces, nothing else. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
