// SPDX-License-Identifier: Apache-2.0
/** `health`: off, one check, or a list of them. What is asked is read in question.ts, when and whence here. */
import { parseAddress } from '../../model/address.js';
import type { CheckKind, CheckTiming, HealthCheck } from '../../model/health.js';
import type { Field } from '../field.js';
import type { Files } from '../files.js';
import { checkKinds } from '../schema/health.js';
import { formatDuration } from '../units.js';
import { readQuestion } from './question.js';
import { readDuration, readPercent, spans } from './read.js';

export interface CheckDraft {
  readonly at: Field;
  readonly kind: CheckKind;
  /** undefined after a complaint. */
  readonly check: HealthCheck | undefined;
}

export function draftHealth(at: Field, files: Files): readonly CheckDraft[] {
  if (at.text() !== undefined || at.value === undefined) return [];
  const items = Array.isArray(at.value) ? at.items() : [at];
  return items.flatMap((item) => {
    const kind = item.get('type').word(...checkKinds);
    return kind === undefined ? [] : [{ at: item, kind, check: draftCheck(item, kind, files) }];
  });
}

function draftCheck(at: Field, kind: CheckKind, files: Files): HealthCheck | undefined {
  const timing = readTiming(at);
  const source = at.get('source');
  const address = source.value === undefined ? null : source.parse(parseAddress);
  const question = readQuestion(at, kind, files);
  if (question === undefined || address === undefined) return undefined;
  return {
    question,
    timing,
    port: at.get('port').integer(1, 65535) ?? null,
    source: address,
    through: at.get('through').word('direct', 'vip') ?? 'direct',
    passive: at.get('passive').isTrue(),
  };
}

const usualTimeoutMs = 1000;

/** How much sooner is sooner, and the least pause that spares the server. */
const fastShare = 4;
const leastFastMs = 100;

function readTiming(at: Field): CheckTiming {
  const intervalMs = readDuration(at.get('interval'), spans.interval) ?? spans.interval.to;
  const upTo = (
    most: number,
    key: string,
    usual: number,
    span: (typeof spans)['interval' | 'fastInterval' | 'checkTimeout'],
  ): number => {
    const field = at.get(key);
    if (field.value === undefined) return Math.min(most, usual);
    const value = readDuration(field, span) ?? 0;
    if (value > most) field.refuse({ must: `be at most interval, ${formatDuration(most)}` });
    return value;
  };
  return {
    intervalMs,
    fastIntervalMs: upTo(
      intervalMs,
      'fast_interval',
      Math.max(leastFastMs, Math.round(intervalMs / fastShare)),
      spans.fastInterval,
    ),
    timeoutMs: upTo(intervalMs, 'timeout', usualTimeoutMs, spans.checkTimeout),
    rise: at.get('rise').integer(1, 1000) ?? 1,
    fall: at.get('fall').integer(1, 1000) ?? 1,
    jitter: readPercent(at.get('jitter'), 0, 50),
  };
}
