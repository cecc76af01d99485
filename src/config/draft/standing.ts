// SPDX-License-Identifier: Apache-2.0
/** slow_start, drain, quorum: short forms are the long form with the rest at its default. */
import type { DrainPolicy, Quorum, SlowStart } from '../../model/health.js';
import { patientDrain } from '../../model/service.js';
import type { Field } from '../field.js';
import { readPercent, readSeconds, spans } from './read.js';

const usualFrom = 0.1;

export function readSlowStart(at: Field): SlowStart | null {
  if (at.value === undefined) return null;
  if (at.textOrNumber() !== undefined)
    return { seconds: readSeconds(at, spans.slowStart), from: usualFrom, curve: 1 };
  const curve = at.get('curve').value;
  return {
    seconds: readSeconds(at.get('duration'), spans.slowStart),
    from: readPercent(at.get('from'), 1, 100),
    curve: typeof curve === 'number' ? curve : 1,
  };
}

export function readDrain(at: Field): DrainPolicy {
  if (!at.isWritten) return patientDrain;
  const deadline = at.get('deadline');
  return {
    deadlineSeconds: deadline.text() === 'none' ? patientDrain.deadlineSeconds : readSeconds(deadline),
    then: at.get('then').word('reset', 'silence') ?? patientDrain.then,
  };
}

export function readQuorum(at: Field): Quorum | null {
  if (at.value === undefined) return null;
  const weight = at.integer(1, 0xffffffff);
  if (weight !== undefined) return { weight, hysteresis: 0 };
  const quorum = {
    weight: at.get('weight').integer(1, 0xffffffff) ?? 1,
    hysteresis: at.get('hysteresis').integer(0, 0xffffffff) ?? 0,
  };
  if (quorum.hysteresis >= quorum.weight && quorum.hysteresis > 0)
    at.get('hysteresis').refuse({
      must: `be below weight, ${quorum.weight}`,
      hint: 'it could never be lost otherwise',
    });
  return quorum;
}
