// SPDX-License-Identifier: Apache-2.0
/**
 * http and https: one request over a connection of its own, and a look at the status and, where a pattern is given, the
 * first 64 KiB of the body. Not node:http: that costs three times as much a check, and reads more than a check needs.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { formatEndpoint, type StatusRange } from '../model/index.js';
import { bad, good, skipped, type Answer, type Checker, type QuestionOf, type Target } from './checker.js';
import { HttpReader, type HttpReading } from './http-reader.js';
import { quoted } from './message.js';
import { matches, requirePattern } from './pattern.js';
import { drop, openStream, type StreamEvents } from './stream.js';
import { openTls } from './tls.js';

type HttpQuestion = QuestionOf<'http'>;

export const httpChecker: Checker<HttpQuestion> = {
  ask(question, target, finish) {
    const request = requestOf(question, target);
    requirePattern(question.body);
    const wantsBody = (status: number): boolean =>
      question.body !== null && isExpected(question.expect, status);
    const reader = new HttpReader(wantsBody, question.method === 'HEAD');
    let isConnected = false;
    const end = (answer: Answer): void => {
      drop(socket);
      finish(answer);
    };
    const take = (reading: HttpReading): void => {
      if (reading.state === 'broken') end(bad('protocol', reading.why));
      else if (reading.state === 'done') end(judge(question, reading.status, reading.body));
    };
    const events: StreamEvents = {
      connected: (ready) => {
        isConnected = true;
        ready.write(request, 'latin1');
      },
      data: (bytes) => take(reader.feed(bytes)),
      ended: () => take(reader.end()),
      failed: (answer) => finish(answer),
    };
    const socket: Socket | TLSSocket =
      question.tls === null
        ? openStream(target, events)
        : openTls(target, question.tls, nameOf(question), events);
    return {
      progress: () => (isConnected ? `connected, ${reader.progress()}` : 'not connected'),
      isConnecting: () => !isConnected,
      stop: () => drop(socket),
    };
  },
};

function judge(question: HttpQuestion, status: number, body: Buffer | null): Answer {
  if (!isExpected(question.expect, status))
    return bad('status', `status ${status}, not in ${ranges(question.expect)}`);
  if (question.body === null || body === null) return good(`status ${status}`);
  switch (matches(question.body, body)) {
    case 'matches':
      return good(`status ${status}, body as expected`);
    case 'differs':
      return bad('content', `status ${status}, but the body does not match: ${quoted(body)}`);
    case 'too slow':
      return skipped('slow_pattern', `status ${status}; matching the body takes too long, mend the pattern`);
  }
}

const isExpected = (expect: readonly StatusRange[], status: number): boolean =>
  expect.some(({ from, to }) => status >= from && status <= to);

const ranges = (expect: readonly StatusRange[]): string =>
  expect.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(', ');

/** The host of `Host`, without its port. */
function nameOf({ host }: HttpQuestion): string | null {
  return host === null ? null : host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** Requests put together once for each question: what stands before and behind the server's address. */
const requests = new WeakMap<HttpQuestion, readonly string[]>();
const addressGoesHere = '\0';
const hostLine = `Host: ${addressGoesHere}`;

function requestOf(question: HttpQuestion, target: Target): string {
  let pieces = requests.get(question);
  if (pieces === undefined) requests.set(question, (pieces = putTogether(question)));
  return pieces.join(pieces.length > 1 ? formatEndpoint(target) : '');
}

function putTogether({ method, path, host, headers }: HttpQuestion): readonly string[] {
  const lines = new Map([
    ['host', host === null ? hostLine : `Host: ${host}`],
    ['user-agent', 'User-Agent: vsnat-health'],
    ['accept', 'Accept: */*'],
    ['connection', 'Connection: close'],
  ]);
  if (method === 'POST') lines.set('content-length', 'Content-Length: 0');
  for (const [name, value] of Object.entries(headers)) lines.set(name.toLowerCase(), `${name}: ${value}`);
  const request = [`${method} ${path} HTTP/1.1`, ...lines.values()];
  // The configuration has checked them; a model made by code may not have been, and a break would be a header of its own.
  const broken = request.find((line) => line !== hostLine && /[\r\n\0]/.test(line));
  if (broken !== undefined) throw new Error(`a line break in the request: ${broken}`);
  return `${request.join('\r\n')}\r\n\r\n`.split(addressGoesHere);
}
