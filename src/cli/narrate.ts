// SPDX-License-Identifier: Apache-2.0
/**
 * Events as lines of the log. A burst is written line by line as far as the budget goes, and then summed up: hundreds of
 * servers that fail together, or one that flaps for hours, must not bury what else is said.
 */
import type { DirectorEvent, EventKind, Events } from '../director/events.js';
import type { Clock } from '../health/clock.js';
import type { Logger } from './log.js';

/** Lines at once, and how soon one more is allowed. */
const burst = 20;
const perLineMs = 1_000;

/** What the daemon says itself when it does it. */
const saidElsewhere: ReadonlySet<EventKind> = new Set(['change', 'reload', 'host']);

/** Logs from now on; the function it gives back ends that. */
export function narrate(events: Events, log: Pick<Logger, 'info' | 'warn'>, clock: Clock): () => void {
  let budget = burst;
  let at = clock.now();
  const suppressed = new Map<EventKind, number>();
  let cancel: (() => void) | undefined;

  const sumUp = (): void => {
    cancel = undefined;
    for (const [kind, count] of suppressed) log.warn(`${count} more events of ${kind}; see vsnat events`);
    suppressed.clear();
  };
  const leave = events.subscribe((event) => {
    if (saidElsewhere.has(event.kind)) return;
    const now = clock.now();
    budget = Math.min(burst, budget + (now - at) / perLineMs);
    at = now;
    if (budget < 1) {
      suppressed.set(event.kind, (suppressed.get(event.kind) ?? 0) + 1);
      cancel ??= clock.after(perLineMs, sumUp);
      return;
    }
    budget -= 1;
    if (isBad(event)) log.warn(event.text);
    else log.info(event.text);
  });
  return () => {
    leave();
    cancel?.();
  };
}

const isBad = ({ kind, detail }: DirectorEvent): boolean =>
  kind === 'device' ||
  detail['health'] === 'down' ||
  detail['quorum'] === 'lost' ||
  (kind === 'scheduler' && typeof detail['failure'] === 'string');
