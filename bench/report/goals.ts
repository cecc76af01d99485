// SPDX-License-Identifier: Apache-2.0
/** What vsnat is meant to reach beside the others, and whether a run says that it does. */
import { ratio, ratioText, type Ratio } from './pairs.js';
import type { Results } from './results.js';
import { markdownTable } from './table.js';

/** A quotient must be this, or on the better side of it. */
export interface Bound {
  readonly bound: number;
  readonly better: 'more' | 'less';
}

export interface Goal extends Bound {
  readonly load: string;
  readonly figure: string;
  readonly of: string;
  readonly to: string;
}

const one = 'vsnat, 1 queue, shortcut';
const two = 'vsnat, 2 queues, shortcut';
const latencies = ['latency, idle', 'latency, beside bulk'];
const requests = ['connect, request, close', 'HTTP keep-alive'];
const rate = { figure: 'rate', better: 'more' } as const;

/** Proxies run on two threads, as vsnat does on two queues; `proxies` are those of the run. */
const besideProxies = (proxies: readonly string[]): Goal[] =>
  proxies.flatMap((to) => [
    { ...rate, load: 'bulk TCP, 4 streams', of: two, to, bound: 1.4 },
    ...requests.flatMap((load) => [one, two].map((of) => ({ ...rate, load, of, to, bound: 1 }))),
    ...latencies.map((load): Goal => ({ load, figure: 'p99', of: one, to, bound: 1, better: 'less' })),
  ]);

export function goalsOf({ contenders }: Pick<Results, 'contenders'>): Goal[] {
  const named = (start: string): string[] =>
    contenders.filter(({ name }) => name.startsWith(start)).map(({ name }) => name);
  return [
    ...named('HAProxy').map((to) => ({ ...rate, load: 'bulk TCP, 1 stream', of: one, to, bound: 1.7 })),
    { ...rate, load: 'bulk TCP, 1 stream', of: one, to: 'nftables DNAT', bound: 0.85 },
    ...besideProxies(contenders.filter(({ kind }) => kind === 'proxy').map(({ name }) => name)),
    ...['bulk TCP, 4 streams', '64-byte UDP, 1,000 flows', ...requests].map((load) => {
      // What takes a shortcut is in no queue.
      return { ...rate, load, of: 'vsnat, 2 queues, direct', to: 'vsnat, 1 queue, direct', bound: 1.5 };
    }),
  ];
}

export type Verdict = 'surely reached' | 'reached' | 'missed' | 'surely missed';

/** By the mean; "surely" where the whole interval is on the same side of the bound. */
export function verdict({ mean, interval }: Ratio, { bound, better }: Bound): Verdict {
  const isGood = (value: number): boolean => (better === 'more' ? value >= bound : value <= bound);
  const word = isGood(mean) ? 'reached' : 'missed';
  return interval?.every((end) => isGood(end) === isGood(mean)) === true ? `surely ${word}` : word;
}

/**
 * Over all rounds of all runs; with several, a column has each run's own quotient. Goals of which either side was not
 * measured are left out; '' when that is all of them.
 */
export function goalTable(all: Results, runs: readonly Results[] = [all]): string {
  const rows = goalsOf(all).flatMap((goal) => {
    const of = (results: Results): Ratio | null => ratio(results.samples, goal, goal.of, goal.to);
    const found = of(all);
    if (found === null) return [];
    const what = goal.figure === 'rate' ? goal.load : `${goal.load}, ${goal.figure}`;
    const wanted = `at ${goal.better === 'more' ? 'least' : 'most'} ${goal.bound}`;
    const each = runs.map((run) => of(run)?.mean.toFixed(2) ?? '–').join(', ');
    const row = [what, `${goal.of} / ${goal.to}`, wanted, ratioText(found)];
    return [[...row, ...(runs.length > 1 ? [each] : []), verdict(found, goal)]];
  });
  const head = ['load', 'quotient', 'goal', 'measured', ...(runs.length > 1 ? ['run by run'] : []), ''];
  return rows.length === 0 ? '' : markdownTable(head, rows);
}
