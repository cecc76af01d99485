// SPDX-License-Identifier: Apache-2.0
/** What a check asks, by its type. A reader gives undefined after it has complained. */
import { isAbsolute } from 'node:path';
import { dnsRecordTypes, type CheckKind, type DnsRecordType, type Question } from '../../model/health.js';
import type { Field } from '../field.js';
import type { Files } from '../files.js';
import { httpMethods } from '../schema/health.js';
import { readHeaders } from './headers.js';
import {
  parseDnsName,
  parsePattern,
  parsePayload,
  parseResponseCode,
  parseStatuses,
} from './question-text.js';
import { readTls } from './tls.js';

type Reader = (at: Field, files: Files) => Question | undefined;

export const readQuestion = (at: Field, kind: CheckKind, files: Files): Question | undefined =>
  readers[kind](at, files);

const readers: Readonly<Record<CheckKind, Reader>> = {
  tcp: () => ({ kind: 'tcp' }),
  icmp: () => ({ kind: 'icmp' }),
  http: (at, files) => readHttp(at, 'http', files),
  https: (at, files) => readHttp(at, 'https', files),
  dns: readDns,
  udp: (at) => {
    const send = at.get('send').parse(parsePayload);
    const expect = readPattern(at.get('expect'));
    return send === undefined || expect === undefined ? undefined : { kind: 'udp', send, expect };
  },
  exec: readExec,
  agent: (at) => ({ kind: 'agent', send: at.get('send').text() ?? '' }),
  module: (at, files) => {
    const file = readPath(at.get('file'), 'file', files);
    return file === undefined ? undefined : { kind: 'module', file, options: at.get('options').value };
  },
};

function readHttp(at: Field, kind: 'http' | 'https', files: Files): Question | undefined {
  const path = at.get('path').text();
  const expect = readStatuses(at.get('expect'));
  const body = readPattern(at.get('body'));
  const headers = readHeaders(at.get('headers'));
  const tls = kind === 'https' ? readTls(at.get('tls'), files) : null;
  if (path === undefined || expect === undefined || body === undefined) return undefined;
  if (headers === undefined || tls === undefined) return undefined;
  const host = at.get('host').text() ?? null;
  return {
    kind,
    method: at.get('method').word(...httpMethods) ?? 'GET',
    path,
    host,
    headers,
    expect,
    body,
    tls,
  };
}

function readStatuses(at: Field) {
  if (at.value === undefined) return [{ from: 200, to: 399 }];
  const texts = listOf(at).map((item) => item.parseDigits(parseStatuses));
  return whole(texts)?.flat();
}

function readDns(at: Field): Question | undefined {
  const name = required(at.get('name'), 'name: example.com')?.parse(parseDnsName);
  const expect = at.get('expect');
  const codes =
    expect.value === undefined
      ? ['NOERROR']
      : whole(listOf(expect).map((item) => item.parse(parseResponseCode)));
  if (name === undefined || codes === undefined) return undefined;
  const type: DnsRecordType = at.get('record').word(...dnsRecordTypes) ?? 'A';
  const transport = at.get('transport').word('udp', 'tcp') ?? 'udp';
  return { kind: 'dns', transport, name, type, expect: codes, answer: at.get('answer').text() ?? null };
}

function readExec(at: Field, files: Files): Question | undefined {
  const command = required(at.get('command'), 'command: [/usr/local/bin/check]');
  if (command === undefined) return undefined;
  const [program, ...others] = command.items();
  if (program === undefined) return undefined;
  // A plain name is looked for in PATH when the check is made, as a shell would.
  const path =
    program.text()?.includes('/') === true ? readPath(program, 'program', files) : readArgument(program);
  const rest = whole(others.map(readArgument));
  return path === undefined || rest === undefined ? undefined : { kind: 'exec', command: [path, ...rest] };
}

function readArgument(at: Field): string | undefined {
  const text = at.text();
  if (text?.includes('\0') !== true) return text;
  at.refuse({ must: 'have no NUL' });
  return undefined;
}

function readPath(at: Field, need: 'file' | 'program', files: Files): string | undefined {
  const path = required(at, need === 'file' ? 'file: ./check.js' : 'command: [/usr/local/bin/check]')?.text();
  if (path === undefined) return undefined;
  const absolute = isAbsolute(path) ? path : at.resolve(path);
  const there = files.check(absolute, need);
  if (there.ok) return absolute;
  at.refuse(there);
  return undefined;
}

/** A regular expression; null where there is none, undefined after a complaint. */
function readPattern(at: Field): string | null | undefined {
  return at.value === undefined ? null : at.parse(parsePattern);
}

function required(at: Field, example: string): Field | undefined {
  if (at.value !== undefined) return at;
  at.refuse({ must: 'be given', hint: `write "${example}"` });
  return undefined;
}

const listOf = (at: Field): readonly Field[] => (Array.isArray(at.value) ? at.items() : [at]);

const whole = <T>(values: readonly (T | undefined)[]): readonly T[] | undefined =>
  values.every((value) => value !== undefined) ? values : undefined;
