// SPDX-License-Identifier: Apache-2.0
/**
 * What a director's processes took of the machine. CPU time is the scheduler's own, in nanoseconds, of every thread; the
 * kernel counts to a thread what it did in its system calls and, on kernels without CONFIG_IRQ_TIME_ACCOUNTING, the
 * packets it handled on the way out of them. What happens on the way in belongs to whoever sent, so a director that is
 * all kernel has no figure of its own; the machine's busy time is what can be compared between all.
 */
import { readdirSync, readFileSync } from 'node:fs';

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // ended between the listing and now
  }
}

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** The processes and all that descend from them. */
export function family(pids: readonly number[]): number[] {
  return pids.flatMap((pid) => {
    const children = list(`/proc/${pid}/task`).flatMap((task) =>
      read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
    );
    return [pid, ...family(children)];
  });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Seconds on a CPU since their start, of all threads that live. */
export const cpuSeconds = (pids: readonly number[]): number =>
  sum(
    family(pids).flatMap((pid) =>
      list(`/proc/${pid}/task`).map(
        (task) => Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0] ?? 0) / 1e9,
      ),
    ),
  );

/** MiB of memory that is theirs; what several share is divided among them. */
export const memoryMiB = (pids: readonly number[]): number =>
  sum(
    family(pids).map(
      (pid) => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0) / 1024,
    ),
  );

export interface MachineTime {
  readonly busy: number;
  /** Taken by the hypervisor for others. */
  readonly stolen: number;
}

const ticksPerSecond = 100; // USER_HZ, which is not the kernel's own HZ

/** CPU seconds of the whole machine since it started. */
export function machineTime(stat = read('/proc/stat')): MachineTime {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = (
    /^cpu +(.*)$/m.exec(stat)?.[1] ?? ''
  )
    .split(' ')
    .map((ticks) => Number(ticks) / ticksPerSecond);
  return { busy: user + nice + system + irq + softirq, stolen };
}
