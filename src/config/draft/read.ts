// SPDX-License-Identifier: Apache-2.0
/**
 * Readers of what several keys have in common. Each gives undefined, or a harmless value, after its complaint: such a
 * draft never becomes a model.
 */
import { parseEndpoint, type Endpoint } from '../../model/endpoint.js';
import { good, mistake, type Parsed } from '../../model/parsed.js';
import type { Field } from '../field.js';
import { parseDuration } from '../units.js';

/** A span of durations, in milliseconds, as messages name it: "1s..30d in whole seconds". */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly text: string;
}

const second = 1000;
const hour = 3600 * second;

export const spans = {
  timeout: { from: second, to: 30 * 24 * hour, step: second, text: '1s..30d in whole seconds' },
  slowStart: { from: second, to: hour, step: second, text: '1s..1h in whole seconds' },
  interval: { from: 100, to: hour, step: 1, text: '100ms..1h' },
  fastInterval: { from: 50, to: hour, step: 1, text: '50ms..1h' },
  checkTimeout: { from: 10, to: hour, step: 1, text: '10ms..1h' },
} as const satisfies Readonly<Record<string, Span>>;

/** Milliseconds. */
export function readDuration(at: Field, span: Span): number | undefined {
  const text = at.textOrNumber();
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  if (!duration.ok) {
    const example = span.step === second ? '300s, 5m, 2h' : '250ms, 2s, 1m';
    at.refuse({ must: `be a duration of ${span.text}`, hint: `write ${example} or a number of seconds` });
    return undefined;
  }
  const { value } = duration;
  if (value >= span.from && value <= span.to && value % span.step === 0) return value;
  at.refuse({ must: `be ${span.text}` });
  return undefined;
}

export const readSeconds = (at: Field, span: Span = spans.timeout): number =>
  (readDuration(at, span) ?? 0) / second;

/** "10%" as 0.1. */
export function readPercent(at: Field, low: number, high: number): number {
  const text = at.text();
  if (text === undefined) return low / 100;
  const percent = /^\d{1,3}(?:\.\d{1,10})?%$/.test(text) ? Number(text.slice(0, -1)) : NaN;
  if (percent >= low && percent <= high) return percent / 100;
  at.refuse({ must: `be ${low}%..${high}%` });
  return low / 100;
}

export const formatPercent = (share: number): string => `${Number((share * 100).toPrecision(12))}%`;

/** undefined: off. */
export function readTcpListen(at: Field, example: string): Endpoint | undefined {
  if (at.text() === 'off') return undefined;
  return at.parse((text) => parseTcpListen(text, example));
}

function parseTcpListen(text: string, example: string): Parsed<Endpoint> {
  const endpoint = parseEndpoint(text);
  if (endpoint.ok) return good(endpoint.value);
  const everywhere = /^(?:\*)?:(\d+)$/.exec(text);
  const hint = everywhere === null ? endpoint.hint : `write 0.0.0.0:${everywhere[1] ?? ''} for every address`;
  return mistake(`be off or address:port like ${example}`, hint);
}
