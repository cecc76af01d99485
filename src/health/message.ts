// SPDX-License-Identifier: Apache-2.0
/**
 * Words for what happened. Messages quote what a peer sent, so before they go anywhere (logs, terminals, the API) all
 * that is not plainly printable is escaped, and they are short.
 */
import { said } from '../errors.js';
import { bad, CannotAsk, skipped, type Answer } from './checker.js';
import type { BadReason, SkippedReason } from './reason.js';

export const maxMessage = 200;

/** Controls, line and paragraph separators, invisible and direction-changing characters, halves of pairs. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

const escaped = (character: string): string => {
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
};

/** `text` on one line, printable, at most 200 characters. */
export function printable(text: string): string {
  const safe = text.slice(0, maxMessage + 1).replace(unprintable, escaped);
  return safe.length > maxMessage
    ? `${safe.slice(0, maxMessage - 1).replace(/[\ud800-\udbff]$/, '')}…`
    : safe;
}

/** The beginning of what a peer sent, in quotes, for a message. */
export function quoted(bytes: Uint8Array, length = 40): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, length)).toString(
    'latin1',
  );
  return `"${text}${bytes.byteLength > length ? '…' : ''}"`;
}

const meanings: Readonly<Record<string, readonly [BadReason, string]>> = {
  ECONNREFUSED: ['refused', 'refused'],
  ECONNRESET: ['reset', 'connection reset'],
  EPIPE: ['reset', 'connection reset'],
  ETIMEDOUT: ['not_connected', 'timed out'],
  EHOSTUNREACH: ['unreachable', 'host unreachable'],
  ENETUNREACH: ['unreachable', 'network unreachable'],
  EHOSTDOWN: ['unreachable', 'host down'],
  EMSGSIZE: ['other', 'message too long'],
  ENOENT: ['other', 'no such file'],
};

/** What is wrong with this host and says nothing about the server. */
const ours: Readonly<Record<string, readonly [SkippedReason, string]>> = {
  EMFILE: ['no_resources', 'no file descriptor left in this process (LimitNOFILE)'],
  ENFILE: ['no_resources', 'no file descriptor left on this host (fs.file-max)'],
  ENOMEM: ['no_resources', 'no memory left'],
  ENOBUFS: ['no_resources', 'no buffer left'],
  EAGAIN: ['no_resources', 'too many processes or too little memory on this host'],
  EPERM: ['not_permitted', 'not permitted on this host: a firewall, or a missing capability'],
  EACCES: ['not_permitted', 'not permitted on this host: a firewall, or a missing capability'],
  EADDRNOTAVAIL: ['no_source', 'its source address is not on this host, or no port is left'],
  EADDRINUSE: ['no_source', 'its source address and port are in use on this host'],
};

/** Also of errors of another realm (node:vm), which are no instances of this one's Error. */
export function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/**
 * The answer that a failure is. `doing` begins the sentence where it is not plain: "TLS"; `otherwise` is the reason where the
 * error has none of its own.
 */
export function failure(error: unknown, doing = '', otherwise: BadReason = 'other'): Answer {
  if (error instanceof CannotAsk) return skipped(error.reason, error.message);
  const code = codeOf(error);
  const before = doing === '' ? '' : `${doing}: `;
  if (code !== undefined) {
    const own = ours[code];
    if (own !== undefined) return skipped(own[0], `${before}${own[1]} (${code})`);
    const known = meanings[code];
    if (known !== undefined) return bad(known[0], `${before}${known[1]}`);
  }
  return bad(otherwise, `${before}${said(error)}`);
}
