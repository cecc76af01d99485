// SPDX-License-Identifier: Apache-2.0
/** When what clients meet makes a server suspect, beside a slow reference that goes through all looks every time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ServerSigns } from '../../../src/dataplane/signs.js';
import { halfLifeMs, longestPauseMs, shortestPauseMs, Suspicion } from '../../../src/director/suspicion.js';

type Met = Partial<ServerSigns>;

const none: ServerSigns = { connections: 0, answers: 0, repeated: 0, refused: 0, resets: 0, unreachable: 0 };
const keys = Object.keys(none) as (keyof ServerSigns)[];
const plus = (a: ServerSigns, b: Met): ServerSigns =>
  Object.fromEntries(keys.map((key) => [key, a[key] + (b[key] ?? 0)])) as unknown as ServerSigns;

const lookMs = 250;

/** One server, and what it meets from look to look; true where it becomes suspect. */
function course(looks: readonly Met[], suspicion = new Suspicion()): boolean[] {
  let totals: ServerSigns = none;
  suspicion.look(0, (take) => take(0, totals));
  return looks.map((met, index) => {
    const hasNews = Object.values(met).some((value) => value > 0);
    totals = plus(totals, met);
    return suspicion.look((index + 1) * lookMs, (take) => hasNews && take(0, totals)).has(0);
  });
}

/** The rules of suspicion.ts, read aloud: every look is judged from the list of all looks before it. */
function slowCourse(looks: readonly Met[]): boolean[] {
  const suspected: { readonly index: number; readonly pauseMs: number }[] = [];
  const of = (index: number): ServerSigns => plus(none, looks[index] ?? {});
  const unanswered = (index: number): number => (of(index).answers === 0 ? of(index).connections : 0);
  return looks.map((_, now) => {
    const last = suspected.at(-1);
    const fades = (index: number): number => 2 ** -(((now - index) * lookMs) / halfLifeMs);
    const all = looks.map((__, index) => index).filter((index) => index <= now);
    const failuresOf = (index: number): number => {
      const { repeated, refused, unreachable, resets, answers } = of(index);
      return repeated + refused + unreachable + (answers > 0 ? 0 : resets);
    };
    const failures = all
      .filter((index) => index > (last?.index ?? -1))
      .reduce((sum, index) => sum + failuresOf(index) * fades(index), 0);
    const answers = all.reduce((sum, index) => sum + of(index).answers * fades(index), 0);
    const before = all.slice(0, -1).reduce((sum, index) => plus(sum, of(index)), none);
    const isSilent =
      of(now).answers === 0 && unanswered(now - 1) >= 3 && before.answers >= before.connections / 2;
    const isFailing = failures >= 2 && failures * 4 >= answers;
    if (!isSilent && !isFailing) return false;
    const since = last === undefined ? Infinity : (now - last.index) * lookMs;
    if (last !== undefined && since < last.pauseMs) return false;
    const isSoon = last !== undefined && since < 4 * last.pauseMs;
    const pauseMs = isSoon ? Math.min(longestPauseMs, 2 * last.pauseMs) : shortestPauseMs;
    suspected.push({ index: now, pauseMs });
    return true;
  });
}

const well = (connections = 10): Met => ({ connections, answers: 2 * connections });
const times = (count: number, met: Met): Met[] => Array.from({ length: count }, () => met);

describe('a server is suspect', () => {
  it('when it falls silent among many clients, half a second later', () => {
    expect(course([...times(8, well()), { connections: 5 }, { connections: 5 }])).toEqual([
      ...times(9, {}).map(() => false),
      true,
    ]);
  });

  it('when it falls silent and nobody comes any more', () => {
    expect(course([...times(8, well()), { connections: 5 }, {}]).at(-1)).toBe(true);
  });

  it.each(['repeated', 'refused', 'unreachable', 'resets'] as const)(
    'when two are %s within seconds',
    (sign) => {
      expect(course([well(1), {}, { [sign]: 1 }, ...times(8, {}), { [sign]: 2 }]).at(-1)).toBe(true);
    },
  );
});

describe('a server is not suspect', () => {
  it('when it answers', () => {
    expect(course(times(100, well()))).not.toContain(true);
  });

  it('before anything was seen of it: totals of a time before the watch say nothing', () => {
    const suspicion = new Suspicion();
    const much = plus(none, { connections: 100, repeated: 100 });
    expect(suspicion.look(0, (take) => take(0, much)).size).toBe(0);
    expect(suspicion.look(lookMs, (take) => take(0, much)).size).toBe(0);
  });

  it('when a few of many fail, or it resets connections while it answers others', () => {
    expect(course(times(100, { ...well(), repeated: 1, resets: 9 }))).not.toContain(true);
  });

  it('when it never answers, as a log collector does', () => {
    expect(course(times(100, { connections: 10 }))).not.toContain(true);
  });

  it('when one SYN is lost in an hour', () => {
    const quiet = times(1000, {});
    expect(course([{ repeated: 1 }, ...quiet, { repeated: 1 }, ...quiet, { repeated: 1 }])).not.toContain(
      true,
    );
  });
});

describe('a client that makes a server look bad', () => {
  it('is heard ever more rarely', () => {
    const seconds = 600;
    const found = course(times(seconds * 4, { connections: 5, refused: 5 }));
    const at = found.flatMap((is, index) => (is ? [Math.round((index * lookMs) / 1000)] : []));
    const gaps = at.slice(1).map((second, index) => second - (at[index] ?? 0));
    expect(gaps).toEqual([10, 20, 40, 80, 160, 160]);
  });

  it('is forgotten with all else once the server was down', () => {
    const suspicion = new Suspicion();
    course(times(8, { refused: 5 }), suspicion);
    suspicion.forget(0);
    expect(course([well(1), { refused: 5 }], suspicion).at(-1)).toBe(true);
  });
});

it('decides as the slow reference does', () => {
  const few = fc.integer({ min: 0, max: 6 });
  const look = fc.oneof(
    { weight: 3, arbitrary: fc.constant<Met>({}) },
    { weight: 2, arbitrary: fc.constant<Met>(well(4)) },
    fc.record({ connections: few, answers: few, repeated: few, refused: few, resets: few, unreachable: few }),
    fc.record({ connections: few }),
    fc.record({ repeated: fc.integer({ min: 0, max: 1 }) }),
  );
  fc.assert(
    fc.property(fc.array(look, { maxLength: 150 }), (looks) => {
      expect(course(looks)).toEqual(slowCourse(looks));
    }),
  );
});
