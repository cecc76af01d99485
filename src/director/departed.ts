// SPDX-License-Identifier: Apache-2.0
/**
 * Services that are configured no more and still have connections. Those go on as long as they live, so until the last has
 * ended packets must go on coming here: the host keeps the routes and marks of such a service, and the dataplane knows its
 * addresses. Nobody new is let in: to the dataplane these are ports without a service.
 */
import type { VirtualService } from '../model/index.js';

/** Whether a server of a service, present or past, has connections. */
export type IsBusy = (service: VirtualService) => boolean;

/**
 * Those that have left among `running`, and those of `departed` that still have connections. A connection that begins between
 * this question and the swap is not seen: had it come a moment later, it would have been refused.
 */
export function departedAfter(
  departed: readonly VirtualService[],
  running: readonly VirtualService[],
  wanted: readonly VirtualService[],
  isBusy: IsBusy,
): readonly VirtualService[] {
  const present = new Set(wanted.map(({ name }) => name));
  const gone = [...departed, ...running].filter((service) => !present.has(service.name) && isBusy(service));
  return isAs(gone, departed) ? departed : gone;
}

/** Their addresses at which no service listens now. */
export function lingeringVips(
  departed: readonly VirtualService[],
  present: readonly VirtualService[],
): readonly string[] {
  if (departed.length === 0) return [];
  const taken = new Set(present.flatMap(({ listen }) => listen.map(({ address }) => address)));
  const vips = departed.flatMap(({ listen }) => listen.map(({ address }) => address));
  return [...new Set(vips)].filter((address) => !taken.has(address));
}

const isAs = (a: readonly VirtualService[], b: readonly VirtualService[]): boolean =>
  a.length === b.length && a.every((service, index) => service === b[index]);
