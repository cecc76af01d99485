// SPDX-License-Identifier: Apache-2.0
/** perf (Debian: linux-perf) on processes that run: where their CPU time goes, and how many system calls they make. */
import { readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Background, must } from '../test/netns/support/process.js';
import { until } from '../test/netns/support/until.js';
import { stageOf } from './report/stages.js';

/** Call chains of `perf script`: a block per sample, a frame per line, the innermost first. */
const chainsOf = (script: string): string[][] =>
  script
    .split('\n\n')
    .map((block) => block.split('\n').flatMap((line) => /^\s+[0-9a-f]+ (\S+)/.exec(line)?.[1] ?? []))
    .filter((chain) => chain.length > 0);

function hasBegun({ pid, alive, output }: Background): boolean {
  if (!alive) throw new Error(`perf ended:\n${output}`);
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ''; // closed between the listing and now
    }
  });
  return links.includes('anon_inode:[perf_event]');
}

/** perf, once it watches: on a busy machine that can take it longer than a load does. */
async function watching(argv: readonly string[]): Promise<Background> {
  const perf = new Background(['perf', ...argv]);
  await until('perf to watch', () => hasBegun(perf));
  await sleep(100); // it opens its events one thread after the other, and enables them all
  return perf;
}

/** Shares of CPU time by stage while `work` is done; samples are kept in the file `data` meanwhile. */
export async function stageShares(
  pids: readonly number[],
  data: string,
  work: () => Promise<void>,
): Promise<Map<string, number>> {
  const what = ['-q', '-e', 'cpu-clock', '-F', '4999', '-g'];
  const perf = await watching(['record', ...what, '-p', pids.join(','), '-o', data]);
  await work();
  await perf.stop('SIGINT');
  const script = await must(['perf', 'script', '-i', data, '-F', 'ip,sym'], { timeoutMs: 120_000 });
  const chains = chainsOf(script);
  if (chains.length === 0) throw new Error(`perf record sampled nothing:\n${perf.output}`);
  const shares = new Map<string, number>();
  for (const chain of chains) {
    const stage = stageOf(chain);
    shares.set(stage, (shares.get(stage) ?? 0) + 1 / chains.length);
  }
  return shares;
}

/** Entries into the kernel while `work` is done. Counting costs each of them a little: no time is taken of that run. */
export async function systemCalls(pids: readonly number[], work: () => Promise<void>): Promise<number> {
  const what = ['-x', ',', '-e', 'raw_syscalls:sys_enter'];
  const perf = await watching(['stat', ...what, '-p', pids.join(',')]);
  await work();
  const { stdout, stderr } = await perf.stop('SIGINT');
  const count = /^(\d+),,raw_syscalls:sys_enter/m.exec(stdout + stderr)?.[1];
  if (count === undefined) throw new Error(`perf stat counted nothing:\n${stdout}${stderr}`);
  return Number(count);
}
