// SPDX-License-Identifier: Apache-2.0
/**
 * TLS sessions of servers that were asked before. To resume one spares the server's certificates, which is a third of what an
 * https check costs. But it is also not to look at them. So a session is resumed for a minute, and then the whole handshake
 * is due again: an exchanged certificate, or one that has run out, is noticed within that time.
 */
export const resumedForMs = 60_000;
const maxSessions = 8192;

interface Kept {
  readonly session: Buffer;
  readonly until: number;
}

export class TlsSessions {
  readonly #kept = new Map<string, Kept>();

  get size(): number {
    return this.#kept.size;
  }

  /** Of a whole handshake just now. */
  keep(server: string, session: Buffer, now: number): void {
    this.#put(server, { session, until: now + resumedForMs });
  }

  /** Takes it out: who resumes it without trouble puts it back, so that none is tried twice in vain. */
  take(server: string, now: number): Kept | undefined {
    const kept = this.#kept.get(server);
    this.#kept.delete(server);
    return kept !== undefined && now < kept.until ? kept : undefined;
  }

  putBack(server: string, kept: Kept): void {
    this.#put(server, kept);
  }

  #put(server: string, kept: Kept): void {
    this.#kept.delete(server);
    this.#kept.set(server, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > maxSessions && oldest !== undefined) this.#kept.delete(oldest);
  }
}
