// SPDX-License-Identifier: Apache-2.0
/**
 * The daemon's log, on stderr: JSON for machines, or one line of text per event for people. Never written from the packet path.
 */
import { pino, type DestinationStream, type Logger } from 'pino';

import type { Model } from '../model/index.js';
import { printable } from './io.js';
import { LogSink } from './log-sink.js';

export type { Logger };

export function createLogger(
  { level, format }: Model['log'],
  sink: DestinationStream = new LogSink(),
): Logger {
  const stream = format === 'json' ? sink : { write: (line: string) => sink.write(textLine(line)) };
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  if (sink instanceof LogSink) {
    sink.onRecovered = (lost) =>
      log.warn({ lost }, 'lines of this log are missing: stderr did not take them');
    process.once('exit', () => {
      sink.flush();
    });
  }
  return log;
}

/** pino's JSON as "2026-11-22T16:00:01.123Z info  ready device=vsnat0 queues=2". */
export function textLine(json: string): string {
  const { time, level, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
  return `${printable([text(time), text(level).padEnd(5), text(msg), ...pairs].join(' ').trimEnd())}\n`;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** An error keeps its stack only in JSON; lists stand one item to a line. */
function fieldText(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => `\n  ${fieldText(item)}`).join('');
  if (typeof value === 'string')
    return /^[\x21\x23-\x7e]+$/.test(value) ? value : value.replaceAll('\n', '\n  ');
  if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message);
  return JSON.stringify(value);
}
