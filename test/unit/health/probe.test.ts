// SPDX-License-Identifier: Apache-2.0
/** When a server is asked again: never all of them together, and sooner while its state is about to change. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { CheckResult } from '../../../src/health/attempt.js';
import { Probe } from '../../../src/health/probe.js';
import { address, check, tcp } from './support/checks.js';

const answer = (result: CheckResult['result']): CheckResult => ({
  result,
  reason: result === 'good' ? null : result === 'bad' ? 'refused' : 'no_resources',
  message: '',
  durationMs: 1,
});

function probeOf(...answers: CheckResult['result'][]): Probe {
  const probe = new Probe({
    key: 'k',
    check: check(tcp, {
      timing: { intervalMs: 2000, fastIntervalMs: 500, timeoutMs: 1000, rise: 2, fall: 3, jitter: 0.1 },
    }),
    address: address('10.2.1.2'),
    port: 80,
    service: 'web',
    server: '10.2.1.2:80',
  });
  for (const [index, result] of answers.entries()) {
    probe.take(answer(result), index);
    if (index < answers.length - 1) probe.nextAfter(0.5);
  }
  return probe;
}

const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

describe('the next question comes', () => {
  it('an interval after the last, give or take the jitter', () => {
    fc.assert(
      fc.property(random, (chance) => {
        const wait = probeOf('good', 'good').nextAfter(chance);
        expect(wait).toBeCloseTo(2000 * (0.9 + 0.2 * chance), 6);
      }),
    );
  });

  it('after a random part of the interval when the first came soon after the start', () => {
    fc.assert(
      fc.property(random, (chance) => {
        expect(probeOf('good').nextAfter(chance)).toBe(Math.max(500, 2000 * chance));
      }),
    );
  });

  it.each<[string, CheckResult['result'][]]>([
    ['a bad answer of a server that is up', ['good', 'bad']],
    ['a good answer of a server that is down', ['bad', 'good']],
    ['the second bad answer of three', ['good', 'bad', 'bad']],
  ])('sooner after %s', (_, answers) => {
    const wait = probeOf(...answers).nextAfter(0.999);
    expect(wait).toBeGreaterThan(450);
    expect(wait).toBeLessThan(550);
  });

  it('sooner for a suspect, and no sooner for one that is down and stays so', () => {
    const suspect = probeOf('good', 'good');
    suspect.suspect();
    expect(suspect.nextAfter(0.5)).toBe(500);
    expect(probeOf('bad', 'bad', 'bad').nextAfter(0.5)).toBe(2000);
  });
});
