// SPDX-License-Identifier: Apache-2.0
/** Health checks and what follows from them as a document: the part of document.ts that has a shape for every type. */
import type { HealthCheck, Question, TlsOptions } from '../model/health.js';
import type { VirtualService } from '../model/service.js';
import { formatPayload, formatStatuses } from './draft/question-text.js';
import { formatPercent } from './draft/read.js';
import { formatDuration } from './units.js';

/** Keys of a check that may hold what others must not read. */
const secrets: ReadonlySet<string> = new Set(['headers', 'tls', 'options', 'send']);

export const isSecret = (key: string): boolean => secrets.has(key);

export const healthDocument = (checks: readonly HealthCheck[]) =>
  checks.length === 0 ? ('off' as const) : checks.map(checkDocument);

function checkDocument({ question, timing, port, source, through, passive }: HealthCheck) {
  return {
    ...questionDocument(question),
    interval: formatDuration(timing.intervalMs),
    fast_interval: formatDuration(timing.fastIntervalMs),
    timeout: formatDuration(timing.timeoutMs),
    rise: timing.rise,
    fall: timing.fall,
    jitter: formatPercent(timing.jitter),
    ...(port === null ? {} : { port }),
    ...(source === null ? {} : { source }),
    through,
    passive,
  };
}

function questionDocument(question: Question) {
  const type = question.kind;
  switch (question.kind) {
    case 'http':
    case 'https': {
      const { method, path, host, headers, expect, body, tls } = question;
      return {
        type,
        method,
        path,
        ...(host === null ? {} : { host }),
        headers: { ...headers },
        expect: formatStatuses(expect),
        ...(body === null ? {} : { body }),
        ...(tls === null ? {} : { tls: tlsDocument(tls) }),
      };
    }
    case 'dns': {
      const { transport, name, type: record, expect, answer } = question;
      return { type, transport, name, record, expect: [...expect], ...(answer === null ? {} : { answer }) };
    }
    case 'udp':
      return {
        type,
        send: formatPayload(question.send),
        ...(question.expect === null ? {} : { expect: question.expect }),
      };
    case 'exec':
      return { type, command: [...question.command] };
    case 'agent':
      return { type, send: question.send };
    case 'module':
      return { type, file: question.file, options: question.options };
    default:
      return { type };
  }
}

/** Certificates as text: they are what was loaded, whatever the files are now. */
const tlsDocument = ({ serverName, verify, ca, certificate, key }: TlsOptions) => ({
  ...(serverName === null ? {} : { server_name: serverName }),
  verify,
  ...(ca === null ? {} : { ca }),
  ...(certificate === null ? {} : { certificate }),
  ...(key === null ? {} : { key }),
});

export function standingDocument({ slowStart, drain, quorum }: VirtualService) {
  return {
    ...(slowStart === null
      ? {}
      : {
          slow_start: {
            duration: formatDuration(slowStart.seconds * 1000),
            from: formatPercent(slowStart.from),
            curve: slowStart.curve,
          },
        }),
    drain: {
      deadline: drain.deadlineSeconds === null ? 'none' : formatDuration(drain.deadlineSeconds * 1000),
      then: drain.then,
    },
    ...(quorum === null ? {} : { quorum: { ...quorum } }),
  };
}
