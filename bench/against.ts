// SPDX-License-Identifier: Apache-2.0
/**
 * This checkout beside another commit's, in one run: what a change did to speed. It reports and judges nothing: on a
 * shared machine a threshold would fail for the machine's reasons, so the exit code says only whether it could be done.
 */
import { loadavg } from 'node:os';
import { baseCommit, buildBase, NoBase } from './base.js';
import { vsnat } from './contenders/vsnat.js';
import { loads } from './loads/index.js';
import type { BenchOptions } from './options.js';
import { againstTable } from './report/against.js';
import { figuresOf, measureAll } from './session.js';

/** One of each kind: what a byte costs, what a packet costs, what a connection costs. */
const compared = ['bulk TCP, 1 stream', '64-byte UDP, 1,000 flows', 'connect, request, close'];

/** Short and many: the interval narrows with the number of rounds. */
const rounds = 10;
const seconds = 0.5;
const limitMs = 150_000;

export async function compareWith(options: BenchOptions, say: (text: string) => void): Promise<number> {
  try {
    const base = baseCommit(options.against ?? 'auto');
    say(`building ${base.commit}, ${base.why}`);
    const root = await buildBase(base.commit);
    const names = { base: `base ${base.commit}`, head: 'head' };
    const chosen = loads.filter(({ name }) => compared.includes(name));
    const contenders = [vsnat({ queues: 1, root }, names.base), vsnat({ queues: 1 }, names.head)];
    const loadBefore = loadavg()[0] ?? NaN;
    const session = await measureAll({ contenders, loads: chosen, rounds, seconds, limitMs }, say);
    console.log(`\nSpeed of this checkout beside ${base.commit} (${base.why}):\n`);
    console.log(againstTable(session.samples, figuresOf(chosen), names));
    const quiet = `Load average at the start ${loadBefore.toFixed(2)}, ${(session.stolenShare * 100).toFixed(1)} % stolen`;
    console.log(`\n${quiet}. A difference is one where the interval leaves out 1; nothing fails for it.`);
    return session.samples.every(({ value }) => value !== null) ? 0 : 1;
  } catch (error) {
    if (!(error instanceof NoBase)) throw error;
    say(`NOT COMPARED: ${error.message}`);
    return 0;
  }
}
