// SPDX-License-Identifier: Apache-2.0
/** fo and ovf beyond the vectors (least.test.ts): who takes over, and when. */
import { describe, expect, test } from 'vitest';
import { fo } from '../../../src/scheduler/fo.js';
import { ovf } from '../../../src/scheduler/ovf.js';
import { pick } from '../../../src/scheduler/simulate.js';
import { anyClient, fill, idle, letters } from './support.js';

describe('fo', () => {
  test('falls over to the next weight when the first is overloaded, drained or gone', () => {
    const servers = letters({ A: 3, B: 2, C: 2 });
    const live = servers.map(idle);
    const plan = fo.plan(servers);
    expect(plan).toMatchObject({ order: [0, 2, 1] });
    expect(pick(plan, live, anyClient).server).toBe(0);
    const overloaded = live.map((server, index) => ({ ...server, overloaded: index === 0 }));
    expect(pick(plan, overloaded, anyClient).server).toBe(2);
    expect(fo.plan(letters({ A: 0, B: 2, C: 2 }))).toMatchObject({ order: [2, 1] });
    expect(pick(fo.plan([]), [], anyClient).server).toBeNull();
  });
});

describe('ovf', () => {
  test('a server takes one connection more than its weight', () => {
    const servers = letters({ A: 2, B: 1 });
    expect(fill(ovf.plan(servers), servers, 7)).toBe('AAABB--');
  });

  test('goes back to the greater weight as soon as that has room again', () => {
    const servers = letters({ A: 2, B: 1 });
    const plan = ovf.plan(servers);
    const live = (...actives: readonly number[]) =>
      servers.map((server, index) => ({ ...idle(server), active: actives[index] ?? 0 }));
    expect(pick(plan, live(3, 0), anyClient).server).toBe(1);
    expect(pick(plan, live(3, 2), anyClient).server).toBeNull();
    expect(pick(plan, live(2, 2), anyClient).server).toBe(0);
  });
});
