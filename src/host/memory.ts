// SPDX-License-Identifier: Apache-2.0
/** The host's memory as IPVS counts it for its defences: free pages and buffers; the page cache is not in it. */
import type { System } from './system.js';

const pageKib = 4;

/** In pages of 4 KiB; null when /proc/meminfo does not tell. */
export async function availablePages(system: Pick<System, 'read'>): Promise<number | null> {
  const text = (await system.read('/proc/meminfo')) ?? '';
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? NaN);
  const pages = Math.floor(kib('MemFree') / pageKib) + Math.floor(kib('Buffers') / pageKib);
  return Number.isNaN(pages) ? null : pages;
}

export function everySecond(tick: () => void): () => void {
  const timer = setInterval(tick, 1000);
  timer.unref(); // a director keeps the process alive by what it serves, not by looking at the memory
  return () => clearInterval(timer);
}
