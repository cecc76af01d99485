// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';

import { narrate } from '../../../src/cli/narrate.js';
import { Events } from '../../../src/director/events.js';
import { ManualClock } from '../../../src/director/manual-clock.js';

it('events are logged as far as the budget goes, then summed up, and logged again when it has grown', () => {
  let now = 0;
  let later: (() => void) | undefined;
  const lines: string[] = [];
  const events = new Events(() => now);
  const stop = narrate(
    events,
    {
      info: (text: string) => lines.push(`info ${text}`),
      warn: (text: string) => lines.push(`warn ${text}`),
    } as never,
    { now: () => now, wall: () => now, after: (_, call) => ((later = call), () => (later = undefined)) },
  );
  events.record({ kind: 'change', text: 'said by somebody else' });
  for (let index = 1; index <= 25; index++)
    events.record({ kind: 'health', text: `down ${index}`, detail: { health: 'down' } });
  expect(lines).toHaveLength(20);
  expect(lines.at(-1)).toBe('warn down 20');
  later?.();
  expect(lines.at(-1)).toBe('warn 5 more events of health; see vsnat events');
  now = 1_000;
  events.record({ kind: 'health', text: 'up again', detail: { health: 'up' } });
  expect(lines.at(-1)).toBe('info up again');
  stop();
  events.record({ kind: 'drain', text: 'nobody listens' });
  expect(lines).toHaveLength(22);
});

it('a scheduler that fails is a warning, and that it plans again is not', () => {
  const lines: string[] = [];
  const events = new Events(() => 0);
  const log = {
    info: (text: string) => lines.push(`info ${text}`),
    warn: (text: string) => lines.push(`warn ${text}`),
  };
  const stop = narrate(events, log as never, new ManualClock());
  events.record({ kind: 'scheduler', text: 'made no plan', detail: { failure: 'no idea' } });
  events.record({ kind: 'scheduler', text: 'plans again', detail: { failure: null } });
  expect(lines).toEqual(['warn made no plan', 'info plans again']);
  stop();
});
