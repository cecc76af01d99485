// SPDX-License-Identifier: Apache-2.0
/** Headers of an HTTP check. Nothing in them may begin a header or a request of its own (RFC 9110 §5.5). */
import type { Field } from '../field.js';
import { isMap } from '../defaults.js';

/** They say how the request is sent, which is the check's to know. */
const reserved = [
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
];

export function readHeaders(at: Field): Readonly<Record<string, string>> | undefined {
  if (!isMap(at.value)) return undefined;
  const headers: [string, string][] = [];
  const seen = new Set<string>();
  let isGood = true;
  const refuse = (header: Field, must: string, hint: string): void => {
    header.refuseKey({ must, hint });
    isGood = false;
  };
  for (const name of Object.keys(at.value)) {
    const header = at.get(name);
    const value = header.text() ?? '';
    const lower = name.toLowerCase();
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(name))
      refuse(header, 'have the name of a header', 'letters, digits and dashes, as X-Probe');
    else if (reserved.includes(lower))
      refuse(
        header,
        'be left out',
        lower === 'host' ? 'write host beside headers' : 'the check sets it itself',
      );
    else if (seen.has(lower)) refuse(header, 'be given once', 'upper and lower case are the same to HTTP');
    else if (!/^[\t\x20-\x7e\x80-\u{10ffff}]{0,4096}$/u.test(value)) {
      header.refuse({ must: 'be one line of text', hint: 'control characters would end the header' });
      isGood = false;
    }
    seen.add(lower);
    headers.push([name, value]);
  }
  return isGood ? Object.fromEntries(headers) : undefined;
}
