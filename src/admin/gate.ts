// SPDX-License-Identifier: Apache-2.0
/**
 * Who is let in over TCP. First whether a browser was led here by another page (RFC 6454 Origin, DNS rebinding), then the
 * token. A refusal says nothing of why, and a wrong token costs time: one address cannot try more than a few a second, and
 * the right token is never made to wait for those who guess.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

import { HttpRefusal } from './refusal.js';
import { isKnownToken, type Digest } from './tokens.js';

/** Why somebody was not listened to. */
export const rejections = [
  /** The request names a host that is not this one. */
  'host',
  /** It comes from a web page. */
  'origin',
  'token',
  /** More wrong tokens of one address than are answered slowly. */
  'tokens_too_fast',
  /** More connections than there may be, at all or from one address. */
  'connections',
  /** The handshake failed: no certificate, another authority, an old version. */
  'tls',
  /** What came is no HTTP, too long, or too slow. */
  'request',
] as const;

export type Rejection = (typeof rejections)[number];

/** Throws HttpRefusal for a request that is not to be answered. */
export type Admit = () => Promise<void>;

export type OnRejected = (why: Rejection, address: string) => void;

export interface GateOptions {
  /** null: the certificate of the client was enough. */
  readonly digests: () => readonly Digest[] | null;
  /** Whether the daemon's own certificate is for this name; without TLS no name is. */
  readonly isOwnName: (name: string) => boolean;
  readonly onRejected: OnRejected;
  readonly delayMs?: number;
}

/** So many wrong tokens of one address may wait for their answer; more are turned away at once. */
const maxWaiting = 4;

export class Gate {
  readonly #options: GateOptions;
  readonly #waiting = new Map<string, number>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Throws HttpRefusal, after a while for a wrong token. */
  async check({ headers, socket }: IncomingMessage): Promise<void> {
    const address = socket.remoteAddress ?? '';
    if (isFromPage(headers)) return this.#refuse('origin', address);
    if (!isAddressed(headers.host, this.#options.isOwnName)) return this.#refuse('host', address);
    const digests = this.#options.digests();
    if (digests === null || isKnownToken(digests, headers.authorization)) return;
    await this.#slowDown(address);
    this.#options.onRejected('token', address);
    throw new HttpRefusal(401, 'not authorized', { 'www-authenticate': 'Bearer', connection: 'close' });
  }

  #refuse(why: Rejection, address: string): never {
    this.#options.onRejected(why, address);
    throw new HttpRefusal(403, 'forbidden', { connection: 'close' });
  }

  async #slowDown(address: string): Promise<void> {
    const waiting = this.#waiting.get(address) ?? 0;
    if (waiting >= maxWaiting) {
      this.#options.onRejected('tokens_too_fast', address);
      throw new HttpRefusal(429, 'too many requests', { 'retry-after': '1', connection: 'close' });
    }
    this.#waiting.set(address, waiting + 1);
    await wait(this.#options.delayMs ?? 1_000, undefined, { ref: false });
    const left = (this.#waiting.get(address) ?? 1) - 1;
    if (left > 0) this.#waiting.set(address, left);
    else this.#waiting.delete(address);
  }
}

/** Over the unix socket its file's permissions decide; a page could come in by way of a proxy before it. */
export async function admitLocal({ headers }: IncomingMessage, onRejected: OnRejected): Promise<void> {
  if (!isFromPage(headers)) return Promise.resolve();
  onRejected('origin', '');
  throw new HttpRefusal(403, 'forbidden', { connection: 'close' });
}

/** Browsers say where a request comes from; programs do not. Nothing here is meant for a page. */
export function isFromPage(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  return headers.origin !== undefined || (site !== undefined && site !== 'none');
}

/**
 * A page that has its name resolve to this address still sends its name. So the host must be an address, `localhost`, or a
 * name that the daemon's certificate proves.
 */
export function isAddressed(host: string | undefined, isOwnName: (name: string) => boolean): boolean {
  const [, bracketed, bare] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{1,5})?$/.exec(host ?? '') ?? [];
  const name = (bracketed ?? bare ?? '').toLowerCase();
  return isIP(name) !== 0 || name === 'localhost' || (name !== '' && isOwnName(name));
}
