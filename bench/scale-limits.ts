// SPDX-License-Identifier: Apache-2.0
/** What a director of 10,000 services with 10 servers each is held to, whoever measures it. Pure. */

export interface ScaleFigures {
  /** From the file to the first published snapshot, of the process' CPU: the clock of a busy machine tells of the others. */
  readonly loadCpuMs: number;
  /** Of every change under traffic, from the moment the first queue was told until all worked with it. */
  readonly swapMs: readonly number[];
  readonly sent: number;
  readonly forwarded: number;
}

export const scaleLimits = { loadCpuMs: 3000, swapMs: 50 } as const;

/** A sentence for each limit that was not kept. */
export function brokenLimits(figures: ScaleFigures): readonly string[] {
  const { loadCpuMs, swapMs, sent, forwarded } = figures;
  const slow = swapMs.filter((ms) => ms >= scaleLimits.swapMs);
  const most = Math.max(...swapMs);
  const lost = sent - forwarded;
  return [
    ...(loadCpuMs >= scaleLimits.loadCpuMs
      ? [`load: must take less than ${scaleLimits.loadCpuMs} ms of CPU, got ${loadCpuMs.toFixed(0)}`]
      : []),
    ...(slow.length > 0
      ? [
          `swap: must take less than ${scaleLimits.swapMs} ms, got ${most.toFixed(1)} (${slow.length} of ${swapMs.length} took longer)`,
        ]
      : []),
    ...(lost !== 0 ? [`packets: must be forwarded as they were sent, got ${forwarded} of ${sent}`] : []),
    ...(sent === 0 || swapMs.length === 0 ? ['traffic: must flow while changes are made, got none'] : []),
  ];
}
