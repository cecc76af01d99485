// SPDX-License-Identifier: Apache-2.0
/** The small languages inside a check: status ranges, patterns, payloads, names of DNS. Text in, meaning out. */
import type { StatusRange } from '../../model/health.js';
import { good, mistake, type Parsed } from '../../model/parsed.js';

const statusForm = 'be status codes like 200-399 or "200-299, 404"';

export function parseStatuses(text: string): Parsed<readonly StatusRange[]> {
  const ranges: StatusRange[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*(\d{3})(?:\s*-\s*(\d{3}))?\s*$/.exec(part);
    if (match === null) return mistake(statusForm);
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    if (from < 100 || to > 599 || from > to)
      return mistake(statusForm, 'codes are 100..599, the lower one first');
    ranges.push({ from, to });
  }
  return good(ranges);
}

export const formatStatuses = (ranges: readonly StatusRange[]): string =>
  ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');

export function parsePattern(text: string): Parsed<string> {
  try {
    new RegExp(text);
    return good(text);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^.*: (?=[^:]*$)/, '') : 'it does not compile';
    return mistake('be a regular expression', why);
  }
}

/** The most that one UDP datagram over IPv4 can hold is more; a check has no use for it. */
const largestPayload = 1400;

export function parsePayload(text: string): Parsed<Uint8Array> {
  const [, form, rest = ''] = /^(hex|base64):([^]*)$/.exec(text) ?? [];
  const bytes =
    form === undefined ? new TextEncoder().encode(text) : decoders[form as 'hex' | 'base64'](rest);
  if (bytes === undefined) return mistake('be text, hex:0a0b or base64:Cgs=');
  return bytes.length <= largestPayload ? good(bytes) : mistake(`be at most ${largestPayload} bytes`);
}

const decoders = {
  hex: (text: string) => {
    const digits = text.replace(/[\s:]/g, '');
    return /^(?:[0-9a-f]{2})*$/i.test(digits) ? Uint8Array.from(Buffer.from(digits, 'hex')) : undefined;
  },
  base64: (text: string) =>
    /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
      ? Uint8Array.from(Buffer.from(text, 'base64'))
      : undefined,
};

export const formatPayload = (bytes: Uint8Array): string => `hex:${Buffer.from(bytes).toString('hex')}`;

/** RFC 1035 §2.3.4; underscores are for the names of services (RFC 2782). */
export function parseDnsName(text: string): Parsed<string> {
  const isName =
    text === '.' ||
    (text.length <= 254 && /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.(?!$)|\.?$))+$/.test(text));
  return isName
    ? good(text)
    : mistake('be a name like example.com', 'labels are 1..63 letters, digits, - or _');
}

/** RFC 1035 §4.1.1, RFC 2136 §2.2. */
const responseCodes = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
];

export const parseResponseCode = (text: string): Parsed<string> =>
  responseCodes.includes(text)
    ? good(text)
    : mistake('be response codes like [NOERROR, NXDOMAIN]', `known are ${responseCodes.join(', ')}`);
