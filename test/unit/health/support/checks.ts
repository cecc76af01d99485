// SPDX-License-Identifier: Apache-2.0
/** Health checks with every default, for tests to change. */
import {
  parseAddress,
  type CheckTiming,
  type HealthCheck,
  type IpAddress,
  type Question,
} from '../../../../src/model/index.js';
import type { QuestionOf, Target } from '../../../../src/health/checker.js';

export const timing: CheckTiming = {
  intervalMs: 2000,
  fastIntervalMs: 500,
  timeoutMs: 1000,
  rise: 2,
  fall: 3,
  jitter: 0,
};

export function check(
  question: Question,
  { timing: times, ...rest }: Partial<Omit<HealthCheck, 'timing'>> & { timing?: Partial<CheckTiming> } = {},
): HealthCheck {
  return {
    question,
    timing: { ...timing, ...times },
    port: null,
    source: null,
    through: 'direct',
    passive: true,
    ...rest,
  };
}

export const tcp: Question = { kind: 'tcp' };

export const http = (more: Partial<QuestionOf<'http'>> = {}): QuestionOf<'http'> => ({
  kind: more.tls === undefined || more.tls === null ? 'http' : 'https',
  method: 'GET',
  path: '/',
  host: null,
  headers: {},
  expect: [{ from: 200, to: 399 }],
  body: null,
  tls: null,
  ...more,
});

export const dns = (more: Partial<QuestionOf<'dns'>> = {}): QuestionOf<'dns'> => ({
  kind: 'dns',
  transport: 'udp',
  name: 'www.example.org',
  type: 'A',
  expect: ['NOERROR'],
  answer: null,
  ...more,
});

export function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
}

export const target = (port: number, more: Partial<Target> = {}): Target => ({
  address: address('127.0.0.1'),
  port,
  source: null,
  detour: null,
  service: 'web',
  server: `127.0.0.1:${port}`,
  timeoutMs: 2000,
  ...more,
});
