// SPDX-License-Identifier: Apache-2.0
/** Peers that were turned away, as one sentence a minute: whoever knocks a thousand times writes one line. */
import type { Rejection } from './gate.js';

/** What an operator should see; a page's request and a broken one say little more than their count. */
const told: readonly Rejection[] = ['token', 'tokens_too_fast', 'tls', 'host', 'origin'];

export class RejectionLog {
  readonly #warn: (sentence: string) => void;
  readonly #quietMs: number;
  #count = 0;
  #last = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(warn: (sentence: string) => void, quietMs = 60_000) {
    this.#warn = warn;
    this.#quietMs = quietMs;
  }

  /** The first is told at once, the next ones together. `address` is a socket's own, so it is nothing but an address. */
  add(reason: Rejection, address: string): void {
    if (!told.includes(reason)) return;
    this.#count += 1;
    this.#last = `${reason}${address === '' ? '' : ` from ${address}`}`;
    if (this.#timer === undefined) this.#tell();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #tell(): void {
    this.#timer = undefined;
    if (this.#count === 0) return;
    const many = this.#count === 1 ? 'a request was' : `${this.#count} requests were`;
    this.#warn(`admin API: ${many} turned away; the last: ${this.#last}`);
    this.#count = 0;
    this.#timer = setTimeout(() => this.#tell(), this.#quietMs).unref();
  }
}
